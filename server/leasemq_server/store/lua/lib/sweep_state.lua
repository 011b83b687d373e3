-- Removing finished jobs that were kept for as long as their queue keeps them, or that are more than it keeps.
-- KEYS: meta, purge
-- USES: remove
-- The first job from a cursor on, with its score.
local function first_from(cursor, state) return redis.call('ZRANGEBYSCORE', SETS[state], cursor, '+inf', 'WITHSCORES', 'LIMIT', 0, 1) end

local function sweep_by_age(state, age, cursor)
  local old = redis.call('ZRANGEBYSCORE', SETS[state], cursor, now - age, 'WITHSCORES', 'LIMIT', 0, most)
  local ids, last = {}, nil
  for i = 1, #old, 2 do
    if not redis.call('ZSCORE', purge, old[i]) then ids[#ids + 1] = old[i] end
    last = old[i + 1]
  end
  if #ids > 0 then redis.call('ZREM', SETS[state], unpack(ids)) end
  remove_all(ids)
  swept = swept + #ids
  -- ties with the last one may be left: the cursor moves past it when the whole range was seen, or when all that was seen stays
  cursor = (#old < 2 * most or #ids == 0) and '(' .. last or last
  redis.call('HSET', meta, 'sweep_' .. state, cursor)
  local left = first_from(cursor, state)
  if left[2] then soonest(math.max(tonumber(left[2]) + age, now + 1000)) end
end

local function sweep_by_count(state, count)
  local excess = redis.call('ZCARD', SETS[state]) - count
  if excess > 0 then swept = swept + trim(state, excess, most) end
end
