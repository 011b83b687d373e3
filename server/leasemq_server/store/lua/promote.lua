-- promote: DELAYED → WAITING at once, at the tail of its priority.
-- KEYS: meta, wait, delayed, spec*, job*
-- ARGV: now_ms
-- ITEMS: id
-- RETURNS: one a job: OK | JOB_NOT_FOUND | JOB_NOT_IN_STATE
-- FLAGS: allow-oom
-- USES: job, wake, order, emit, options_of
local now = clock()
local results = {}
for i, id in items() do
  if redis.call('ZREM', delayed, id) == 1 then
    redis.call('HSET', job .. id, 's', 'waiting', 'du', now)
    wait_at_tail(id, options_of(id))
    emit(id, 'promoted', 'waiting', nil, 'asked')
    results[i] = 'OK'
  else
    results[i] = redis.call('EXISTS', spec .. id) == 1 and 'JOB_NOT_IN_STATE' or 'JOB_NOT_FOUND'
  end
end
-- INLINE: publish_events
return results
