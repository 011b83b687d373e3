-- schedule_pause, resume: whether a schedule fires. A pause forgets the next time; resuming sets the one that was computed from the schedule as it is.
-- Both make a new revision: what was decided before may be of runs that were made since, though the next time looks the same again.
-- KEYS: meta, schedule_times, schedule*
-- ARGV: now_ms, id, paused, expected_revision, revision, next_ms
-- RETURNS: OK (also when it was so already) | CONFLICT | SCHEDULE_NOT_FOUND
-- FLAGS: allow-oom
-- USES: schedule
local now = clock()
local h = redis.call('HMGET', schedule .. id, 'v', 'p')
if not h[1] then return 'SCHEDULE_NOT_FOUND' end
if (paused == '1') == (h[2] == '1') then return 'OK' end
if paused == '1' then
  redis.call('HSET', schedule .. id, 'p', 1, 'v', revision)
  set_next(id, '')
else
  if h[1] ~= expected_revision then return 'CONFLICT' end
  redis.call('HDEL', schedule .. id, 'p')
  redis.call('HSET', schedule .. id, 'v', revision)
  set_next(id, next_ms)
end
tell_brokers(now)
return 'OK'
