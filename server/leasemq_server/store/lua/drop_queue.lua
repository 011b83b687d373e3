-- drop_queue: removes a queue's own keys once no job is left in it.
-- KEYS: meta, wait, behind, heads, shut, group_leases, group_rules, delayed, blocked, leases, expiry, completed, failed, cancelled, purge, outbox, events, metrics*
-- ARGV: now_ms
-- RETURNS: OK | QUEUE_NOT_EMPTY
-- FLAGS: allow-oom
local now = clock()
for _, set in ipairs({ wait, behind, delayed, blocked, leases, completed, failed, cancelled }) do
  if redis.call('EXISTS', set) == 1 then return 'QUEUE_NOT_EMPTY' end
end
if redis.call('XLEN', outbox) > 0 then return 'QUEUE_NOT_EMPTY' end -- an emptied stream goes on to exist
redis.call('UNLINK', meta, expiry, purge, outbox, events, heads, shut, group_leases, group_rules)
for ago = 0, 25 do redis.call('UNLINK', metrics .. string.format('%d', math.floor(now / 3600000) - ago)) end
return 'OK'
