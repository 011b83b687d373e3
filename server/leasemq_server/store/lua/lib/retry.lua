-- What becomes of a failed attempt: the retry policy, and the record of the failure.
-- KEYS: meta, wait, delayed, leases, failed, cancelled, expiry, completed, purge, outbox, spec*, job*, logs*
-- USES: job, wake, order, finish, emit, counts
local MAX_FAILURES = 10

local seeded = false
local function random()
  if not seeded then
    math.randomseed(tonumber(seed))
    seeded = true
  end
  return math.random()
end

-- The wait in ms before the attempt after `attempt`. The rule for jitter is BullMQ's: the wait lies between (1 - jitter) and 1 times the computed one.
local function backoff_ms(backoff, attempt)
  if not backoff then return 0 end
  local ms
  if backoff.k == 'fixed' then
    ms = backoff.d
  elseif backoff.k == 'exponential' then
    ms = math.min(backoff.i * backoff.m ^ (attempt - 1), backoff.x)
  else
    ms = backoff.l[math.min(attempt, #backoff.l)]
  end
  if backoff.j and backoff.j > 0 then ms = ms * (1 - backoff.j * random()) end
  return math.floor(ms + 0.5)
end

local function max_attempts(options) return options.ma or config().ma or 1 end

local function backoff_of(options)
  if options.rp then return options.bo end
  return config().bo
end

-- Keeps the newest failures, one JSON object a line.
local function with_failure(old, failure)
  if not old or old == '' then return failure end
  local lines = {}
  for line in string.gmatch(old, '[^\n]+') do lines[#lines + 1] = line end
  lines[#lines + 1] = failure
  return table.concat(lines, '\n', math.max(1, #lines - MAX_FAILURES + 1))
end

local function failure_json(kind, message, attempt, now, worker)
  return cjson.encode({ kind = kind, message = message, attempt = attempt, time = now, worker = worker })
end

-- Fails a job for good: the dead letters, and the dead-letter queue.
local function bury(id, options, now, record, failure, fields)
  if send_to_dead_letter_queue(id, options, now, failure) then outbox_written = outbox_written + 1 end
  failing = failing + 1
  counted.f = (counted.f or 0) + 1
  emit(id, 'failed', nil, record.worker, record.reason)
  finish(id, 'failed', now, options, record.awaited, fields)
end

-- Decides and applies what follows a failed attempt of a job that is out of `leases`. Returns the state, its run time and the attempts left.
local function after_failure(id, options, attempt, now, record, non_retryable, retry_delay, fields)
  local left = non_retryable and 0 or math.max(0, max_attempts(options) - attempt)
  if record.cancel then
    emit(id, 'cancelled', nil, record.worker, record.cancel)
    finish(id, 'cancelled', now, options, record.awaited, fields)
    return 'cancelled', 0, 0
  end
  if left == 0 then
    bury(id, options, now, record, record.failure, fields)
    return 'failed', 0, 0
  end
  local ms = retry_delay or backoff_ms(backoff_of(options), attempt)
  emit(id, 'retrying', ms > 0 and 'delayed' or 'waiting', record.worker, record.reason)
  if ms > 0 then
    redis.call('HSET', job .. id, 's', 'delayed', unpack(fields))
    delay_until(id, now + ms)
    return 'delayed', now + ms, left
  end
  redis.call('HSET', job .. id, 's', 'waiting', unpack(fields))
  wait_at_tail(id, options)
  return 'waiting', 0, left
end
