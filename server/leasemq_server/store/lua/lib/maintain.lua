-- What time alone brings about: due delayed jobs wait, expired leases end, jobs that nobody started in time fail. At most max_moves jobs a call.
-- KEYS: meta, wait, delayed, leases, expiry, blocked, shut, spec*, job*
-- USES: job, wake, order, moments, finish, plain, retry, slot, emit
local function due(set, now, most)
  local first = first_score(set)
  if not first or first >= now + 1 then return {} end
  return redis.call('ZRANGEBYSCORE', set, '-inf', '(' .. string.format('%.0f', now + 1), 'LIMIT', 0, most)
end

local function promote_due(now, most)
  local ids = due(delayed, now, most)
  for _, id in ipairs(ids) do
    redis.call('ZREM', delayed, id)
    if redis.call('EXISTS', job .. id) == 1 then redis.call('HSET', job .. id, 's', 'waiting') end
    wait_at_tail(id, options_of(id) or {})
    emit(id, 'promoted', 'waiting', nil, 'due')
  end
  return #ids
end

local LEASED = { 't', 'a', 'n', 'c', 'ld', 'w', 'f', 'fc', 'aw', 'm' }

-- `why` is for people. Returns the options of a job that goes back to the head; the others have found their place.
local function end_lease(id, now, why)
  unfold(id)
  local h = redis.call('HMGET', job .. id, unpack(LEASED))
  local nonce, attempt, expirations, cancel, deadline, worker = h[1], tonumber(h[2]), tonumber(h[3] or 0), h[4], tonumber(h[5]) or 0, h[6]
  local options = decode(h[10])
  redis.call('ZREM', leases, id)
  lease_ended(id, options.g)
  local timed_out = deadline > 0 and now >= deadline
  local reason = timed_out and 'timeout' or why
  tell_worker(worker, 'LOST', nonce, id, reason)
  local failure = failure_json(cancel and 'CANCELLED' or timed_out and 'TIMEOUT' or 'LEASE_EXPIRED', cancel or reason, attempt, now, worker)
  local fields = { 't', '', 'f', with_failure(h[7], failure), 'fc', tonumber(h[8] or 0) + 1 }
  local record = { cancel = cancel, awaited = h[9], failure = failure, worker = worker, reason = reason }
  if cancel or timed_out then
    after_failure(id, options, attempt, now, record, false, nil, fields)
    return nil
  end
  for _, word in ipairs({ 'n', expirations + 1, 'a', attempt - 1 }) do fields[#fields + 1] = word end
  if expirations + 1 > (options.me or config().me or 3) then
    bury(id, options, now, record, failure, fields)
    return nil
  end
  redis.call('HSET', job .. id, 's', 'waiting', unpack(fields))
  emit(id, 'lease_expired', 'waiting', worker, reason)
  return options
end

local function reap_leases(now, most)
  local ids = due(leases, now, most)
  local to_head = {}
  for _, id in ipairs(ids) do
    local options = end_lease(id, now, 'lease expired')
    if options then to_head[#to_head + 1] = { id, options } end
  end
  for i = #to_head, 1, -1 do wait_at_head(unpack(to_head[i])) end -- backwards, so that the one that ended first is the first again
  return #ids
end

local function expire_unstarted(now, most)
  local ids = due(expiry, now, most)
  for _, id in ipairs(ids) do
    redis.call('ZREM', expiry, id)
    local options = options_of(id) or {}
    if stop_waiting(id, options) or redis.call('ZREM', delayed, id) + redis.call('ZREM', blocked, id) > 0 then
      local h = redis.call('HMGET', job .. id, 'f', 'fc', 'aw')
      local failure = failure_json('EXPIRED', 'not started within its ttl', 0, now, '')
      local fields = { 'f', with_failure(h[1], failure), 'fc', tonumber(h[2] or 0) + 1 }
      bury(id, options, now, { awaited = h[3], reason = 'not started within its ttl' }, failure, fields)
    end
  end
  return #ids
end

-- Groups whose rate window is over, or that were shut by limits that the queue no longer has.
local function reopen_groups(now, most)
  local ids = due(shut, now, most)
  if #ids == 0 then ids = redis.call('ZRANGEBYSCORE', shut, SHUT, '(' .. string.format('%.0f', SHUT + group_generation), 'LIMIT', 0, most) end
  for _, group in ipairs(ids) do groups().reopen(group) end
  return #ids
end

local function maintain(now, most)
  config()
  local moved = has_groups and reopen_groups(now, most) or 0
  moved = moved + expire_unstarted(now, most - moved + 1)
  moved = moved + promote_due(now, most - moved + 2)
  return moved + reap_leases(now, most - moved + 3)
end
