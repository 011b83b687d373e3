-- What time alone brings about: due delayed jobs wait, expired leases end, jobs that nobody started in time fail. At most max_moves jobs
-- wait by a call, and fewer end: what is left is due at once, and the next call's.
-- KEYS: meta, wait, delayed, leases, expiry, blocked, shut, spec*, job*
-- USES: job, wake, order, moments, finish, plain, retry, slot, emit
local END_COST = 4 -- to end a job costs the store as much as to let four wait

local function due(set, now, most)
  local first = first_score(set)
  if not first or first >= now + 1 then return {} end
  return redis.call('ZRANGEBYSCORE', set, '-inf', '(' .. string.format('%d', now + 1), 'LIMIT', 0, most)
end

local function all_keys(prefix, ids)
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = prefix .. id end
  return keys
end

-- Most jobs of a batch have the same options.
local decoded = {}
local function all_options_of(ids)
  local all = {}
  for i, id in ipairs(ids) do
    local head = redis.call('GETRANGE', spec .. id, 0, 4095)
    local json = head ~= '' and select(2, header_of(head)) or ''
    decoded[json] = decoded[json] or decode(json)
    all[i] = decoded[json]
  end
  return all
end

local function told_all(head, ids)
  happened[#happened + 1] = head
  happened[#happened + 1] = ids
end

local function promote_due(now, most)
  local ids = due(delayed, now, most)
  if not ids[1] then return 0 end
  redis.call('ZREM', delayed, unpack(ids))
  if redis.call('EXISTS', unpack(all_keys(job, ids))) > 0 then
    for _, id in ipairs(ids) do
      if redis.call('EXISTS', job .. id) == 1 then redis.call('HSET', job .. id, 's', 'waiting') end
    end
  end
  local to_tail, options = {}, all_options_of(ids)
  for i, id in ipairs(ids) do to_tail[i] = { id, options[i] } end
  all_wait(to_tail)
  told_all('promoted\twaiting\t\tdue', ids)
  return #ids
end

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

-- Returns the options of a job that goes back to the head; the others have found their place.
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
  if cancel or timed_out then
    after_failure(id, options, attempt, now, record, false, nil, fields)
    return nil
  end
  with('n', expirations)
  with('a', attempt - 1)
  if expirations > (options.me or config().me or 3) then
    bury(id, options, now, record, failure, fields)
    return nil
  end
  redis.call('HSET', job .. id, 's', 'waiting', unpack(fields))
  emit(id, 'lease_expired', 'waiting', worker, reason)
  return options
end

-- `why` is for people. What goes back to the head is there in the order in which the leases ended.
local function end_leases(ids, now, why)
  redis.call('ZREM', leases, unpack(ids))
  lease_ended()
  local runs, to_head = all_keys(run, ids), {}
  local plain = redis.call('MGET', unpack(runs))
  redis.call('UNLINK', unpack(runs))
  for i, id in ipairs(ids) do
    local options = end_lease(id, now, why, plain[i])
    if options then to_head[#to_head + 1] = { id, options } end
  end
  all_wait(to_head, true)
end

-- Those that ended last come first, where not all can: the ones of the next call, which ended before them, stand before them at the head then.
local function reap_leases(now, most)
  local first = first_score(leases)
  if not first or first >= now + 1 then return 0 end
  local latest, ids = redis.call('ZREVRANGEBYSCORE', leases, '(' .. string.format('%d', now + 1), '-inf', 'LIMIT', 0, most), {}
  for i = #latest, 1, -1 do ids[#ids + 1] = latest[i] end
  end_leases(ids, now, 'lease expired')
  return #ids
end

-- Takes jobs out of where they are before their start, and returns those that were there.
local function taken_unstarted(ids)
  local is_there, taken = {}, {}
  for i, options in ipairs(has_groups and all_options_of(ids) or {}) do
    if options.g then is_there[i] = groups().leave(options.g, ids[i]) end
  end
  for _, set in ipairs({ wait, delayed, blocked }) do
    local of_set = {}
    for i, score in ipairs(redis.call('ZMSCORE', set, unpack(ids))) do
      if score then
        is_there[i] = true
        of_set[#of_set + 1] = ids[i]
      end
    end
    if of_set[1] then redis.call('ZREM', set, unpack(of_set)) end
  end
  for i, id in ipairs(ids) do
    if is_there[i] then taken[#taken + 1] = id end
  end
  return taken
end

local function expire_unstarted(now, most)
  local due_ids = due(expiry, now, most)
  if not due_ids[1] then return 0 end
  redis.call('ZREM', expiry, unpack(due_ids))
  local ids = taken_unstarted(due_ids)
  if not ids[1] then return #due_ids end
  local failure = failure_json('EXPIRED', 'not started within its ttl', 0, now, '')
  local have_hashes, options = redis.call('EXISTS', unpack(all_keys(job, ids))) > 0, all_options_of(ids)
  for i, id in ipairs(ids) do
    local h = have_hashes and redis.call('HMGET', job .. id, 'f', 'fc', 'aw') or {}
    local fields = { 'f', with_failure(h[1], failure), 'fc', tonumber(h[2] or 0) + 1 }
    bury(id, options[i], now, { awaited = h[3], reason = 'not started within its ttl' }, failure, fields)
  end
  return #due_ids
end

-- Groups whose rate window is over, or that were shut by limits that the queue no longer has.
local function reopen_groups(now, most)
  local names = due(shut, now, most)
  if not names[1] then names = redis.call('ZRANGEBYSCORE', shut, SHUT, '(' .. string.format('%d', SHUT + group_generation), 'LIMIT', 0, most) end
  for _, group in ipairs(names) do groups().reopen(group) end
  return #names
end

local function maintain(now, most)
  config()
  local most_ends = math.max(1, math.floor(most / END_COST))
  local reopened = has_groups and reopen_groups(now, most_ends) or 0
  return reopened + expire_unstarted(now, most_ends) + promote_due(now, most) + reap_leases(now, most_ends)
end
