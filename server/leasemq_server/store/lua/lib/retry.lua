-- What becomes of a failed attempt: the retry policy.
-- KEYS: job*
-- USES: job, order, attempts, bury, failure, emit
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

local function backoff_of(options)
  if options.rp then return options.bo end
  return config().bo
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
