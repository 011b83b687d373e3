-- schedule_fire: a run that is due → its job. Each step is a compare-and-set on the schedule's next time together with the add: whoever comes second, or
-- decided by rules that were changed since, finds a CONFLICT. A run is made, or left out on purpose, exactly when the next time moves past it.
-- Refused when the store is full: the run stays due.
-- KEYS: meta, schedule_times, schedule*
-- ARGV: now_ms
-- ITEMS: id, revision, expected_ms, run_ms, job_id, next_ms
-- RETURNS: one a step: FIRED | OVERLAP (left out: the job before is unfinished) | MISSED (run_ms is '': too old to be made) | CONFLICT
-- USES: schedule, enqueue
local now = clock()
local results = {}

-- Returns the next time that is left: none once the schedule has had all its runs.
local function make_run(id, run_ms, job_id, next_ms)
  local h = redis.call('HMGET', schedule .. id, 'j', 'o', 'mx')
  enqueue(job_id, h[1], h[2], now)
  local count = redis.call('HINCRBY', schedule .. id, 'c', 1)
  redis.call('HSET', schedule .. id, 'l', run_ms, 'lj', job_id)
  local most = tonumber(h[3])
  return most > 0 and count >= most and '' or next_ms
end

for i, id, revision, expected_ms, run_ms, job_id, next_ms in items() do
  local h = redis.call('HMGET', schedule .. id, 'v', 'n', 'ov', 'lj')
  if h[1] ~= revision or h[2] ~= expected_ms then
    results[i] = 'CONFLICT'
  elseif run_ms == '' then
    set_next(id, next_ms)
    results[i] = 'MISSED'
  elseif in_the_way(h[3], h[4]) then
    set_next(id, next_ms)
    results[i] = 'OVERLAP'
  else
    set_next(id, make_run(id, run_ms, job_id, next_ms))
    results[i] = 'FIRED'
  end
end
tell_brokers(now)
-- INLINE: publish_events
return results
