-- What a schedule's scripts share: its next time, the job that stands in its way, and telling the brokers when to look.
-- KEYS: meta, schedule_times, schedule*
-- USES: job, wake, state_of
local FINISHED = { completed = true, failed = true, cancelled = true }

-- '' = no run is to come.
local function set_next(id, next_ms)
  if next_ms == '' then
    redis.call('HDEL', schedule .. id, 'n')
    redis.call('ZREM', schedule_times, id)
  else
    redis.call('HSET', schedule .. id, 'n', next_ms)
    redis.call('ZADD', schedule_times, next_ms, id)
  end
end

-- With overlap SKIP, the schedule's unfinished job and its state; else nil.
local function in_the_way(skips, last_job)
  if skips ~= '1' or not last_job then return nil end
  local state = state_of(last_job)
  if not state or FINISHED[state] then return nil end
  return last_job, state
end

-- In how many ms the queue's next run is, 0 when one is due; -1 when none is to come.
local function next_run_in(now)
  local first = redis.call('ZRANGE', schedule_times, 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, tonumber(first[2]) - now) or -1
end

-- Every script that moves a next time ends with this, so that the newest message is always true.
local function tell_brokers(now) redis.call('PUBLISH', 'lmq:schedule', queue_name .. ' ' .. string.format('%d', next_run_in(now))) end
