-- KEYS: delayed, spec*, job*, run*
-- The state in words, or nil when there is no such job.
local function state_of(id)
  local state = redis.call('HGET', job .. id, 's')
  if state then return state end
  local plain = redis.call('GETRANGE', run .. id, 0, 0)
  if plain ~= '' then return plain == 'a' and 'active' or 'completed' end
  if redis.call('EXISTS', spec .. id) == 0 then return nil end
  if redis.call('ZSCORE', delayed, id) then return 'delayed' end
  return redis.call('ZSCORE', queue_base .. 'blocked', id) and 'blocked' or 'waiting'
end
