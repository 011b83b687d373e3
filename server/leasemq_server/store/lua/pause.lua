-- pause, resume: whether the queue gives out leases. Resuming wakes those who wait for one, and ends a hold too.
-- KEYS: meta, wait, delayed
-- ARGV: now_ms, paused
-- RETURNS: OK
-- FLAGS: allow-oom
-- USES: job, wake, events
local now = clock()
local changed
if paused == '1' then
  changed = redis.call('HSET', meta, 'paused', 1)
else
  changed = redis.call('HDEL', meta, 'paused')
  redis.call('HDEL', meta, 'hold')
  publish_wake(0)
end
if changed == 1 then happened[1], happened[2] = paused == '1' and 'paused' or 'resumed', { '' } end
-- INLINE: publish_events
return 'OK'
