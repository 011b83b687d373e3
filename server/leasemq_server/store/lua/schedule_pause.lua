-- schedule_pause, resume: whether a schedule fires. A pause forgets the next time; resuming sets the one that was computed from rules of this revision.
-- KEYS: meta, schedule_times, schedule*
-- ARGV: now_ms, id, paused, revision, next_ms
-- RETURNS: OK (also when it was so already) | CONFLICT | SCHEDULE_NOT_FOUND
-- FLAGS: allow-oom
-- USES: schedule
local now = clock()
local h = redis.call('HMGET', schedule .. id, 'v', 'p')
if not h[1] then return 'SCHEDULE_NOT_FOUND' end
if (paused == '1') == (h[2] == '1') then return 'OK' end
if paused == '1' then
  redis.call('HSET', schedule .. id, 'p', 1)
  set_next(id, '')
else
  if h[1] ~= revision then return 'CONFLICT' end
  redis.call('HDEL', schedule .. id, 'p')
  set_next(id, next_ms)
end
tell_brokers(now)
return 'OK'
