-- USES: moments
-- What of a set is due, at most so many; `latest`: those that were due last, and these first. What is the set's first then is seen here when only one is due,
-- and else to be looked at again.
local function due(set, now, most, latest)
  local two = first_two[set]
  first_two[set] = nil
  if two and two[1] and (not two[4] or tonumber(two[4]) >= now + 1) then
    first[set] = two[4] and tonumber(two[4]) or false
    return { two[1] }
  end
  first[set] = nil
  local bound = '(' .. string.format('%d', now + 1)
  if latest then return redis.call('ZREVRANGEBYSCORE', set, bound, '-inf', 'LIMIT', 0, most) end
  return redis.call('ZRANGEBYSCORE', set, '-inf', bound, 'LIMIT', 0, most)
end
