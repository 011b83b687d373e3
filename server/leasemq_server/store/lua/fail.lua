-- fail: ACTIVE → DELAYED or WAITING while the retry policy allows another attempt, else FAILED; CANCELLED if that was asked for.
-- KEYS: meta, leases, job*, spec*
-- ARGV: now_ms, seed
-- ITEMS: id, nonce, failure, non_retryable, retry_delay_ms
-- RETURNS: one a job: {OK, state, run_ms, attempts left} | {LEASE_LOST}; then OUTBOX if it was written
-- FLAGS: allow-oom
-- USES: finish, retry, lease, slot, emit, failure
local now = clock()
local results = {}

-- `failure` is a JSON object that the broker wrote, without what only the script knows.
local function completed_failure(failure, record)
  local known = failure_json(record.cancel and 'CANCELLED' or 'ERROR', nil, record.attempt, now, record.worker)
  if failure == '' then return known end
  return string.sub(known, 1, -2) .. ',' .. string.sub(failure, 2)
end

-- What an event says of it: the type and the message.
local function reason_of(failure)
  local said = decode(failure)
  return said.type and said.message and said.type .. ': ' .. said.message or said.message or said.type or ''
end

for i, id, nonce, failure, non_retryable, retry_delay_ms in items() do
  local record, reply = held(id, nonce, now)
  if record then
    redis.call('ZREM', leases, id)
    record.reason = record.cancel or reason_of(failure)
    lease_ended(id, record.options.g)
    record.failure = completed_failure(failure, record)
    local fields = { 'f', with_failure(record.failures, record.failure), 'fc', record.failure_count + 1 }
    local state, run_ms, left = after_failure(id, record.options, record.attempt, now, record, non_retryable == '1', tonumber(retry_delay_ms), fields)
    reply = outcome(state, run_ms, left)
    if state == 'waiting' or state == 'delayed' then redis.call('HSET', job .. id, 'so', cjson.encode({ nonce, reply })) end
  end
  results[i] = reply
end
file_finished()
-- INLINE: publish_events
-- INLINE: publish_metrics
if outbox_written > 0 then results[#results + 1] = 'OUTBOX' end
return results
