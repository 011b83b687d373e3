-- drain: removes jobs of one state, the first ones, at most max_jobs.
-- KEYS: meta, wait, delayed, expiry, outbox, spec*, job*, logs*, dependents*
-- ARGV: now_ms, state, max_jobs
-- RETURNS: {jobs removed, 1 if there are more, outbox entries written}
-- FLAGS: allow-oom
-- USES: job, wake, finish, emit
local now = clock()
local set = state == 'delayed' and delayed or wait
local popped = redis.call('ZPOPMIN', set, tonumber(max_jobs))
local ids = {}
config()
for i = 1, #popped, 2 do
  ids[#ids + 1] = popped[i]
  emit(popped[i], 'removed', nil, nil, 'drained')
  if has_flows and redis.call('EXISTS', dependents .. popped[i]) == 1 then
    redis.call('XADD', outbox, '*', 'kind', 'ended', 'id', popped[i], 'state', 'deleted', 'result', '', 'content_type', '')
    outbox_written = outbox_written + 1
  end
  if redis.call('HGET', job .. popped[i], 'aw') then redis.call('PUBLISH', 'lmq:done', queue_name .. ' ' .. popped[i]) end
end
if redis.call('HGET', meta, 'keyed') then
  -- INLINE: dedup
  for _, id in ipairs(ids) do
    local own = (options_of(id) or {}).dd
    if own then drop_key(id, own.k) end
  end
end
if #ids > 0 then redis.call('ZREM', expiry, unpack(ids)) end
remove_all(ids)
-- INLINE: publish_events
return { #ids, redis.call('EXISTS', set), outbox_written }
