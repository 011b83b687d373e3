-- schedule_trigger: adds a schedule's job now, beside its timetable. An id that exists, or with overlap SKIP an unfinished job, is returned instead.
-- KEYS: meta, schedule*
-- ARGV: now_ms, id, job_id
-- RETURNS: {OK, job id, created 0|1, state} | {SCHEDULE_NOT_FOUND}
-- USES: schedule, enqueue
local now = clock()
local h = redis.call('HMGET', schedule .. id, 'j', 'o', 'ov', 'lj')
if not h[1] then return { 'SCHEDULE_NOT_FOUND' } end
local unfinished, state = in_the_way(h[3], h[4])
if unfinished then return { 'OK', unfinished, 0, state } end
local created = enqueue(job_id, h[1], h[2], now)
if created then redis.call('HSET', schedule .. id, 'lj', job_id) end
-- INLINE: publish_events
return { 'OK', job_id, created and 1 or 0, state_of(job_id) }
