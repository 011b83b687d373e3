-- delete: any but ACTIVE → gone, with its log. With force, ACTIVE too: its token is then lost.
-- KEYS: meta, wait, delayed, blocked, leases, expiry, completed, failed, cancelled, purge, outbox, spec*, job*, logs*, dependents*
-- ARGV: now_ms, force
-- ITEMS: id
-- RETURNS: one a job: OK | JOB_NOT_FOUND | JOB_NOT_IN_STATE; then OUTBOX if it was written
-- FLAGS: allow-oom
-- USES: job, wake, outbox, plain, slot, emit, tell_worker, state_of, options_of, sets, remove
local now = clock()
local WHERE = { delayed = delayed, blocked = blocked, active = leases, completed = completed, failed = failed, cancelled = cancelled }
local results, gone = {}, {}
local drop_key_of
if redis.call('HGET', meta, 'keyed') then
  -- INLINE: dedup
  drop_key_of = drop_key
end
config()
for i, id in items() do
  local state = state_of(id)
  if not state then
    results[i] = 'JOB_NOT_FOUND'
  elseif state == 'active' and force ~= '1' then
    results[i] = 'JOB_NOT_IN_STATE'
  else
    unfold(id)
    local h = redis.call('HMGET', job .. id, 'w', 't', 'aw')
    if state == 'active' then tell_worker(h[1], 'LOST', h[2], id, 'deleted') end
    if h[3] then redis.call('PUBLISH', 'lmq:done', queue_name .. ' ' .. id) end
    if has_flows and not SETS[state] and redis.call('EXISTS', dependents .. id) == 1 then
      redis.call('XADD', outbox, '*', 'kind', 'ended', 'id', id, 'state', 'deleted', 'result', '', 'content_type', '')
      outbox_written = outbox_written + 1
    end
    local options = (has_groups or drop_key_of) and options_of(id) or {}
    if state == 'waiting' then
      stop_waiting(id, options)
    else
      redis.call('ZREM', WHERE[state], id)
    end
    if state == 'active' then lease_ended(id, options.g) end
    redis.call('ZREM', expiry, id)
    redis.call('ZREM', purge, id)
    if drop_key_of and options.dd then drop_key_of(id, options.dd.k) end
    gone[#gone + 1] = id
    emit(id, 'removed', nil, nil, 'deleted')
    results[i] = 'OK'
  end
end
remove_all(gone)
-- INLINE: publish_events
if outbox_written > 0 then results[#results + 1] = 'OUTBOX' end
return results
