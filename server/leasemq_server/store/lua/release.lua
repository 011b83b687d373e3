-- release: ACTIVE → WAITING at the head, or DELAYED; the attempt is given back. CANCELLED if that was asked for.
-- KEYS: meta, leases, job*, spec*
-- ARGV: now_ms, seed
-- ITEMS: id, nonce, delay_ms
-- RETURNS: one a job: {OK, state, run_ms, attempts left} | {LEASE_LOST}
-- FLAGS: allow-oom
-- USES: job, wake, order, finish, retry, lease, release
local now = clock()
local results = {}

local queued = {}
for i, id, nonce, delay_ms in items() do queued[i] = { id, nonce, tonumber(delay_ms) } end
for i = #queued, 1, -1 do -- backwards, so that the first of the batch is at the head
  local record, reply = held(queued[i][1], queued[i][2], now)
  results[i] = record and release(queued[i][1], queued[i][3], record, now) or reply
end
file_finished()
-- INLINE: publish_events
return results
