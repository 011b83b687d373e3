-- register: makes jobs tell their end to other jobs, "<queue>/<id>", that depend on them. One that has finished tells it at once, through the outbox.
-- One that is not there is refused, unless it is expected: to be added within the hour, by the flow that registers.
-- KEYS: meta, dependents*, outbox, spec*, job*, run*
-- ARGV: now_ms
-- ITEMS: id, dependent, expected
-- RETURNS: one a job: OK | FINISHED (it is in the outbox) | JOB_NOT_FOUND
-- USES: job, plain, state_of
local EXPECTED_MS = 3600000
local FINISHED = { completed = true, failed = true, cancelled = true }
local results, telling = {}, {}

local function tell_end(id, state)
  if telling[id] then return end
  telling[id] = true
  local h = redis.call('HMGET', job .. id, 'r', 'rt')
  redis.call('XADD', outbox, '*', 'kind', 'ended', 'id', id, 'state', state, 'result', h[1] or '', 'content_type', h[2] or '')
end

for i, id, dependent, expected in items() do
  local state = state_of(id)
  if not state and expected ~= '1' then
    results[i] = 'JOB_NOT_FOUND'
  else
    redis.call('HSET', meta, 'fl', 1)
    redis.call('ZADD', dependents .. id, 0, dependent)
    results[i] = 'OK'
    if not state then
      redis.call('PEXPIRE', dependents .. id, EXPECTED_MS)
    else
      unfold(id)
      redis.call('HSET', job .. id, 'dn', 1)
      if FINISHED[state] then
        tell_end(id, state)
        results[i] = 'FINISHED'
      end
    end
  end
end
return results
