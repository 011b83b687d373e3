-- schedule_due: the schedules whose next time has come, the longest overdue first, from the one at place `first` on.
-- KEYS: meta, schedule_times, schedule*
-- ARGV: now_ms, max_schedules, first
-- RETURNS: {the store's time in ms, in how many ms the time of another one comes or -1, a list of {id, revision, rules, next_ms}}
-- FLAGS: no-writes
-- USES: schedule
local now = clock()
local due = {}
for i, id in ipairs(redis.call('ZRANGEBYSCORE', schedule_times, '-inf', string.format('%d', now), 'LIMIT', first, max_schedules)) do
  local h = redis.call('HMGET', schedule .. id, 'v', 'r', 'n')
  due[i] = { id, h[1], h[2], h[3] }
end
local to_come = redis.call('ZRANGEBYSCORE', schedule_times, string.format('(%d', now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return { string.format('%d', now), to_come[2] and tonumber(to_come[2]) - now or -1, due }
