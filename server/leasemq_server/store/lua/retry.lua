-- retry (redrive): FAILED, COMPLETED, CANCELLED → WAITING, or BLOCKED where dependencies are pending, with attempts and lease expirations at 0 unless asked to keep them.
-- KEYS: meta, wait, completed, failed, cancelled, purge, blocked, deps*, needs*, spec*, job*
-- ARGV: now_ms, keep_attempts
-- ITEMS: id
-- RETURNS: one a job: OK | JOB_NOT_FOUND | JOB_NOT_IN_STATE
-- FLAGS: allow-oom
-- USES: job, wake, order, plain, emit, state_of, options_of, sets
local now = clock()
local results = {}
local retake_key_of -- made when the first job with a deduplication key is redriven
for i, id in items() do
  local state = state_of(id)
  if not state then
    results[i] = 'JOB_NOT_FOUND'
  elseif not SETS[state] then
    results[i] = 'JOB_NOT_IN_STATE'
  else
    unfold(id)
    redis.call('ZREM', SETS[state], id)
    redis.call('ZREM', purge, id)
    redis.call('HDEL', job .. id, 'c', 'r', 'rt', 'ft', 'so', 'ld', 'p')
    redis.call('HSET', job .. id, 's', 'waiting', 't', '')
    redis.call('HDEL', deps .. id, 'failed')
    if keep_attempts ~= '1' then redis.call('HSET', job .. id, 'a', 0, 'n', 0) end
    local options = options_of(id)
    if options.dd then
      if not retake_key_of then
        -- INLINE: dedup
        retake_key_of = retake_key
      end
      retake_key_of(id, options.dd, now)
    end
    if tonumber(redis.call('HGET', deps .. id, 'pending') or redis.call('EXISTS', needs .. id)) > 0 then
      redis.call('HSET', job .. id, 's', 'blocked')
      redis.call('ZADD', blocked, clock(), id)
      emit(id, 'retried', 'blocked')
    else
      wait_at_tail(id, options)
      emit(id, 'retried', 'waiting')
    end
    results[i] = 'OK'
  end
end
-- INLINE: publish_events
return results
