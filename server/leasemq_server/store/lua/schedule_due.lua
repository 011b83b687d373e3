-- schedule_due: the schedules whose next time has come, the longest overdue first.
-- KEYS: meta, schedule_times, schedule*
-- ARGV: now_ms, max_schedules
-- RETURNS: {the store's time in ms, in how many ms to look or -1, a list of {id, revision, rules, next_ms}}
-- FLAGS: no-writes
-- USES: schedule
local now = clock()
local due = {}
for i, id in ipairs(redis.call('ZRANGEBYSCORE', schedule_times, '-inf', string.format('%d', now), 'LIMIT', 0, max_schedules)) do
  local h = redis.call('HMGET', schedule .. id, 'v', 'r', 'n')
  due[i] = { id, h[1], h[2], h[3] }
end
return { string.format('%d', now), next_run_in(now), due }
