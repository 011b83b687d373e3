-- drop_queue: removes a queue's own keys once no job is left in it.
-- KEYS: meta, wait, delayed, leases, expiry, completed, failed, cancelled, purge, outbox, events
-- ARGV: now_ms
-- RETURNS: OK | QUEUE_NOT_EMPTY
-- FLAGS: allow-oom
for _, set in ipairs({ wait, delayed, leases, completed, failed, cancelled }) do
  if redis.call('EXISTS', set) == 1 then return 'QUEUE_NOT_EMPTY' end
end
if redis.call('XLEN', outbox) > 0 then return 'QUEUE_NOT_EMPTY' end -- an emptied stream goes on to exist
redis.call('UNLINK', meta, expiry, purge, outbox, events)
return 'OK'
