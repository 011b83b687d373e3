-- When time alone changes something in a queue next.
-- KEYS: delayed, leases, expiry, shut
-- USES: job, group_scores, first_score
local first = {} -- the first score of each set, as it was seen last; false = it is empty, nil = it is to be looked at again
local first_two = {} -- the first two of each set, each id and score, as next_change() has found them

-- In how many ms time alone changes something next; -1 when nothing is to come. First call config().
local function next_change(now)
  local soonest
  for _, set in ipairs({ delayed, leases, expiry }) do
    local score = first[set]
    if score == nil then
      local two = redis.call('ZRANGE', set, 0, 1, 'WITHSCORES')
      score = two[2] and tonumber(two[2]) or false
      first[set], first_two[set] = score, two
    end
    if score and (not soonest or score < soonest) then soonest = score end
  end
  local first_open = has_groups and first_score(shut)
  first[shut] = first_open
  if first_open then
    local stale = redis.call('ZRANGEBYSCORE', shut, SHUT, '(' .. string.format('%d', SHUT + group_generation), 'LIMIT', 0, 1)
    if stale[1] then
      first[shut] = now
      return 0 -- the limits have changed since
    end
    if first_open < SHUT and (not soonest or first_open < soonest) then soonest = first_open end
  end
  return soonest and math.max(0, math.floor(soonest) - now) or -1 -- a fraction of a millisecond is only for the order
end
