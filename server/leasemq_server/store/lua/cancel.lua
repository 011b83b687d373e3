-- cancel: any unfinished → CANCELLED; an ACTIVE job stays so until its worker, which is told, settles it or loses its lease.
-- KEYS: meta, wait, delayed, blocked, spec*, job*
-- ARGV: now_ms, seed
-- ITEMS: id, reason
-- RETURNS: one a job: {OK, state} | {JOB_NOT_FOUND} | {JOB_NOT_IN_STATE, state}; then OUTBOX if it was written
-- FLAGS: allow-oom
-- USES: job, groups, finish, plain, emit, tell_worker, state_of, options_of
local now = clock()
local results = {}

local function ask_worker(id, reason)
  unfold(id)
  local h = redis.call('HMGET', job .. id, 't', 'w', 'c')
  redis.call('HSET', job .. id, 'c', reason)
  if not h[3] then emit(id, 'cancel_requested', 'active', h[2], reason) end
  tell_worker(h[2], 'CANCEL_REQUESTED', h[1], id, reason)
end

for i, id, reason in items() do
  local state = state_of(id)
  if not state then
    results[i] = { 'JOB_NOT_FOUND' }
  elseif state == 'completed' or state == 'failed' then
    results[i] = { 'JOB_NOT_IN_STATE', state }
  elseif state == 'active' then
    ask_worker(id, reason)
    results[i] = { 'OK', 'active' }
  else
    if state ~= 'cancelled' then
      local options = options_of(id)
      if state == 'waiting' then
        stop_waiting(id, options)
      else
        redis.call('ZREM', state == 'delayed' and delayed or blocked, id)
      end
      emit(id, 'cancelled', nil, nil, reason)
      finish(id, 'cancelled', now, options, redis.call('HGET', job .. id, 'aw'), { 'c', reason })
    end
    results[i] = { 'OK', 'cancelled' }
  end
end
file_finished()
if outbox_written > 0 then results[#results + 1] = 'OUTBOX' end
-- INLINE: publish_events
return results
