-- schedule_put: makes a schedule, or changes it: what has happened stays (run count, last run, last job, pause).
-- Compare-and-set on the revision and the next time that the caller decided by; both '' when there is no such schedule.
-- KEYS: meta, schedules, schedule_times, schedule*
-- ARGV: now_ms, id, expected_revision, expected_next_ms, revision, rules, spec, options, skips_overlap, max_runs, next_ms
-- RETURNS: OK | CONFLICT
-- USES: schedule
local now = clock()
local h = redis.call('HMGET', schedule .. id, 'v', 'n', 'p')
if (h[1] or '') ~= expected_revision or (h[2] or '') ~= expected_next_ms then return 'CONFLICT' end
redis.call('HSET', schedule .. id, 'v', revision, 'r', rules, 'j', spec, 'o', options, 'ov', skips_overlap, 'mx', max_runs)
redis.call('ZADD', schedules, 0, id)
set_next(id, h[3] and '' or next_ms)
tell_brokers(now)
return 'OK'
