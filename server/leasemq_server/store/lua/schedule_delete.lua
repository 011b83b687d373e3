-- schedule_delete: removes schedules; their jobs stay.
-- KEYS: meta, schedules, schedule_times, schedule*
-- ARGV: now_ms
-- ITEMS: id
-- RETURNS: one a schedule: OK | SCHEDULE_NOT_FOUND
-- FLAGS: allow-oom
-- USES: schedule
local now = clock()
local results = {}
for i, id in items() do
  redis.call('ZREM', schedules, id)
  redis.call('ZREM', schedule_times, id)
  results[i] = redis.call('UNLINK', schedule .. id) == 1 and 'OK' or 'SCHEDULE_NOT_FOUND'
end
tell_brokers(now)
return results
