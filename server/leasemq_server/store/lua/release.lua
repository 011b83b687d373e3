-- release: ACTIVE → WAITING at the head, or DELAYED; the attempt is given back. CANCELLED if that was asked for.
-- With hold_ms the whole queue gives out no leases for so long, or for longer if it is held already.
-- KEYS: meta, leases, job*, spec*
-- ARGV: now_ms, seed
-- ITEMS: id, nonce, delay_ms, hold_ms
-- RETURNS: one a job: {OK, state, run_ms, attempts left} | {LEASE_LOST}; then OUTBOX if it was written
-- FLAGS: allow-oom
-- USES: finish, release
local now = clock()
local results = {}

local function hold_queue(ms)
  local held_until = tonumber(redis.call('HGET', meta, 'hold') or 0)
  redis.call('HSET', meta, 'hold', string.format('%d', math.max(held_until, now + ms)))
end

local queued = {}
for i, id, nonce, delay_ms, hold_ms in items() do queued[i] = { id, nonce, tonumber(delay_ms), tonumber(hold_ms) } end
for i = #queued, 1, -1 do -- backwards, so that the first of the batch is at the head
  local record, reply = held(queued[i][1], queued[i][2], now)
  if record and queued[i][4] > 0 then hold_queue(queued[i][4]) end
  results[i] = record and release(queued[i][1], queued[i][3], record, now) or reply
end
file_finished()
-- INLINE: publish_events
if outbox_written > 0 then results[#results + 1] = 'OUTBOX' end
return results
