-- When time alone changes something in a queue next.
-- KEYS: delayed, leases, expiry
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
  return soonest and math.max(0, math.floor(soonest) - now) or -1 -- a fraction of a millisecond is only for the order
end
