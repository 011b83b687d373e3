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
  if has_groups then
    local first = first_score(shut)
    if first and first < SHUT then
      soonest = math.min(soonest or first, first)
    elseif first and first < SHUT + group_generation then
      return 0 -- the limits have changed since
    end
  end
  return soonest and math.max(0, math.floor(soonest) - now) or -1 -- a fraction of a millisecond is only for the order
end
