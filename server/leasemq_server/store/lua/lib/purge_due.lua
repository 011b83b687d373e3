-- Removing the finished jobs whose own age is over.
-- KEYS: purge, job*
-- USES: remove, first_score
local function purge_due()
  local ids = redis.call('ZRANGEBYSCORE', purge, '-inf', '(' .. string.format('%d', now + 1), 'LIMIT', 0, most)
  for _, id in ipairs(ids) do
    local state = redis.call('HGET', job .. id, 's')
    redis.call('ZREM', purge, id)
    if SETS[state] then redis.call('ZREM', SETS[state], id) end
  end
  remove_all(ids)
  swept = swept + #ids
  next_sweep = first_score(purge)
end
