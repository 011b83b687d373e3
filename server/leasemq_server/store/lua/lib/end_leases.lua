-- Ending leases whose workers are gone: ACTIVE → WAITING at the head, or FAILED or CANCELLED.
-- KEYS: leases, job*, run*
-- USES: job, all_wait, plain, failure, emit, batch, tell_worker, counts, outbox
local LEASED = { 't', 'a', 'n', 'c', 'ld', 'w', 'f', 'fc', 'aw', 'm' }

-- What a job is at the end of its lease, by field, and what is to be written of it besides; `plain` is its plain record, which is gone then, if it has one.
local function left_by_lease(id, plain)
  local left, fields = {}, {}
  if plain then
    fields = select(2, unfolded(id, plain))
    for i = 1, #fields, 2 do left[fields[i]] = fields[i + 1] end
  else
    local h = redis.call('HMGET', job .. id, unpack(LEASED))
    for i, field in ipairs(LEASED) do left[field] = h[i] end
  end
  return left, fields
end

local after, bury_it, file_ended -- made when the first job is met that does not go back to the head

-- Returns the options of a job that goes back to the head; the others have found their place, and file_ended() is to be called.
local function end_lease(id, now, why, plain)
  local left, fields = left_by_lease(id, plain)
  local attempt, expirations, cancel, deadline, worker = tonumber(left.a), tonumber(left.n or 0) + 1, left.c, tonumber(left.ld) or 0, left.w
  local options = decode(left.m)
  if options.g then groups().leases_ended({ options.g }, { id }) end
  local timed_out = deadline > 0 and now >= deadline
  local reason = timed_out and 'timeout' or why
  tell_worker(worker, 'LOST', left.t, id, reason)
  local failure = failure_json(cancel and 'CANCELLED' or timed_out and 'TIMEOUT' or 'LEASE_EXPIRED', cancel or reason, attempt, now, worker)
  local function with(field, value)
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  with('t', '')
  with('f', with_failure(left.f, failure))
  with('fc', tonumber(left.fc or 0) + 1)
  local record = { cancel = cancel, awaited = left.aw, failure = failure, worker = worker, reason = reason }
  local too_many = expirations > (options.me or config().me or 3)
  if (cancel or timed_out or too_many) and not after then
    -- INLINE: retry
    after, bury_it, file_ended = after_failure, bury, file_finished
  end
  if cancel or timed_out then
    after(id, options, attempt, now, record, false, nil, fields)
    return nil
  end
  with('n', expirations)
  with('a', attempt - 1)
  if too_many then
    bury_it(id, options, now, record, failure, fields)
    return nil
  end
  redis.call('HSET', job .. id, 's', 'waiting', unpack(fields))
  emit(id, 'lease_expired', 'waiting', worker, reason)
  return options
end

-- `why` is for people. What goes back to the head is there in the order in which the leases ended.
local function end_leases(ids, now, why)
  redis.call('ZREM', leases, unpack(ids))
  config()
  if was_full then
    -- INLINE: slot
    lease_ended()
  end
  local runs, to_head = all_keys(run, ids), {}
  local plain
  if #ids == 1 then
    plain = { redis.call('GETDEL', runs[1]) }
  else
    plain = redis.call('MGET', unpack(runs))
    redis.call('UNLINK', unpack(runs))
  end
  for i, id in ipairs(ids) do
    local options = end_lease(id, now, why, plain[i])
    if options then to_head[#to_head + 1] = { id, options } end
  end
  all_wait(to_head, true)
end
