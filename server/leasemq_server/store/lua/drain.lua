-- drain: removes jobs of one state, the first ones, at most max_jobs.
-- KEYS: meta, wait, delayed, expiry, spec*, job*, logs*
-- ARGV: now_ms, state, max_jobs
-- RETURNS: {jobs removed, 1 if there are more}
-- FLAGS: allow-oom
-- USES: job, wake, finish, emit
local now = clock()
local set = state == 'delayed' and delayed or wait
local popped = redis.call('ZPOPMIN', set, tonumber(max_jobs))
local ids = {}
for i = 1, #popped, 2 do
  ids[#ids + 1] = popped[i]
  emit(popped[i], 'removed', nil, nil, 'drained')
  if redis.call('HGET', job .. popped[i], 'aw') then redis.call('PUBLISH', 'lmq:done', queue_name .. ' ' .. popped[i]) end
end
if #ids > 0 then redis.call('ZREM', expiry, unpack(ids)) end
remove_all(ids)
-- INLINE: publish_events
return { #ids, redis.call('EXISTS', set) }
