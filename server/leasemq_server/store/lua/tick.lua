-- tick: what time alone brings about in a queue that nobody may be polling.
-- KEYS: meta, wait, behind, delayed, blocked, leases, expiry, completed, failed, cancelled, outbox, spec*, job*
-- ARGV: now_ms, seed, max_moves
-- RETURNS: {in how many ms to tick again or -1, outbox length, jobs moved, 1 if the queue has jobs of any kind}
-- FLAGS: allow-oom
-- USES: job, moments, events, counts, outbox
local now = clock()
config()
local most, moved = tonumber(max_moves), 0
local soon = next_change(now)
if soon == 0 then
  -- INLINE: maintain
  soon = next_change(now)
end
local any = soon >= 0 and 1 or math.min(1, redis.call('EXISTS', wait, behind, delayed, blocked, leases, completed, failed, cancelled))
-- INLINE: publish_events
-- INLINE: publish_metrics
return { soon, redis.call('XLEN', outbox), moved, any }
