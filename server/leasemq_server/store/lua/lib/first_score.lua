-- The lowest score of a set; nil = it is empty.
local function first_score(set)
  local found = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  return found[2] and tonumber(found[2])
end
