-- await: marks a job as waited for, so that its end is published on lmq:done; says in which state it is.
-- KEYS: meta, delayed, spec*, job*
-- ARGV: now_ms, id
-- RETURNS: the state, or JOB_NOT_FOUND
-- FLAGS: allow-oom
-- USES: job, plain, state_of
local state = state_of(id)
if not state then return 'JOB_NOT_FOUND' end
if state ~= 'completed' and state ~= 'failed' and state ~= 'cancelled' then
  unfold(id)
  redis.call('HSET', job .. id, 'aw', 1)
end
return state
