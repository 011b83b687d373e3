-- When time alone changes something in a queue next.
-- KEYS: delayed, leases, expiry, shut
-- USES: job, groups
local function first_score(set)
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  return first[2] and tonumber(first[2])
end

-- In how many ms time alone changes something next; -1 when nothing is to come.
local function next_change(now)
  local soonest
  for _, set in ipairs({ delayed, leases, expiry }) do
    local first = first_score(set)
    if first and (not soonest or first < soonest) then soonest = first end
  end
  local first_open = has_groups and first_score(shut)
  if first_open then
    local stale = redis.call('ZRANGEBYSCORE', shut, SHUT, '(' .. string.format('%d', SHUT + group_generation), 'LIMIT', 0, 1)
    if stale[1] then return 0 end -- the limits have changed since
    if first_open < SHUT and (not soonest or first_open < soonest) then soonest = first_open end
  end
  return soonest and math.max(0, math.floor(soonest) - now) or -1 -- a fraction of a millisecond is only for the order
end
