-- block: ACTIVE → BLOCKED until other jobs are done, if leased with this nonce; the attempt is given back. When all of them are done it waits at once, when
-- one failed that may not, it fails. CANCELLED if that was asked for.
-- KEYS: meta, leases, blocked, deps*, spec*, job*
-- ARGV: now_ms
-- ITEMS: id, nonce, edges
-- RETURNS: one a job: {OK, state, run_ms, attempts left} | {LEASE_LOST}; then OUTBOX if it was written
-- FLAGS: allow-oom
-- USES: job, attempts, lease, edges, slot, emit, counts, outbox
local now = clock()
local results = {}

local made -- what a job needs that ends or goes on at once, made when the first one does
local function going_on()
  if not made then
    -- INLINE: flow
    made = { finish = finish, go_on = go_on, file_finished = file_finished }
  end
  return made
end

local function block_on(id, edges, record)
  redis.call('ZREM', leases, id)
  lease_ended(id, record.options.g)
  if record.cancel then
    emit(id, 'cancelled', nil, record.worker, record.cancel)
    going_on().finish(id, 'cancelled', now, record.options, record.awaited, {})
    return outcome('cancelled', 0, 0)
  end
  redis.call('HSET', job .. id, 'a', record.attempt - 1)
  redis.call('HDEL', job .. id, 'st') -- of the first time that it was blocked
  local all_pending = join_edges(id, edges)
  block(id, now)
  emit(id, 'blocked', nil, record.worker)
  local state, run_ms = 'blocked', 0
  if not all_pending then state, run_ms = going_on().go_on(id, now) end
  local left = state == 'failed' and 0 or math.max(0, max_attempts(record.options) - record.attempt + 1)
  local reply = outcome(state, run_ms, left)
  if state ~= 'failed' then redis.call('HSET', job .. id, 'so', cjson.encode({ record.nonce, reply })) end
  return reply
end

for i, id, nonce, edges in items() do
  local record, reply = held(id, nonce, now)
  results[i] = record and block_on(id, edges, record) or reply
end
if made then made.file_finished() end
-- INLINE: publish_events
-- INLINE: publish_metrics
if outbox_written > 0 then results[#results + 1] = 'OUTBOX' end
return results
