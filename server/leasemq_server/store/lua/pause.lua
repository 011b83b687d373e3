-- pause, resume: whether the queue gives out leases. Resuming wakes those who wait for one, and ends a hold too.
-- KEYS: meta, wait, delayed
-- ARGV: now_ms, paused
-- RETURNS: OK
-- FLAGS: allow-oom
-- USES: wake
if paused == '1' then
  redis.call('HSET', meta, 'paused', 1)
else
  redis.call('HDEL', meta, 'paused', 'hold')
  publish_wake(0)
end
return 'OK'
