-- lease: WAITING → ACTIVE for several requests at once, first come first served. Does nothing when time has brought about something, for then a tick comes
-- first; unless `ticked`, which says that one has come just now.
-- A request with a request_id that was answered before gets the same leases again, those that are still its own.
-- KEYS: meta, wait, delayed, leases, expiry, spec*, job*, run*, request*
-- ARGV: now_ms, max_bytes, nonces, call, ticked
-- ITEMS: request_id, worker, max_jobs, lease_ms
-- RETURNS: DUE, or {in how many ms to look again or -1, more 0|1, start_ms, a list a request: {expire_ms, ids, nonces, blobs, those that are not at their first, plain lease: {index from 0, attempt, expire_ms, lease_expirations, failure_count, start_ms, checkpoint if any}}}
-- FLAGS: allow-oom
-- USES: job, moments, events, metrics
local NONCE_LENGTH = 24
local REPLAY_MS = 60000
local MAX_HASHES = 250 -- a lease kept as a hash costs twice to three times a plain one: so many at most, that no call holds the store for long
local FIRST_READ = 8 -- payloads that are read at once, before it is known how large they are
local MAX_TRIES = 100 -- in which all that was popped were heads of groups that are shut, since the limits of all groups were changed
local now = clock()
local start = string.format('%d', now)
local _, of_queue = config('paused', 'xa', 'rd', 'hold')
local limits = { of_queue[7], of_queue[8], of_queue[9], of_queue[10] }
local next_in = next_change(now)
if next_in == 0 and ticked ~= '1' then return 'DUE' end

local answers, wanted, retried, seen = {}, 0, {}, {}
for i, request_id, _, max_jobs, lease_ms in items() do
  answers[i] = { string.format('%d', now + lease_ms), {}, {}, {}, {} }
  retried[i] = (seen[request_id] or redis.call('EXISTS', request .. request_id) == 1) and request_id or nil
  if not retried[i] then wanted = wanted + tonumber(max_jobs) end
  seen[request_id] = true
end

-- What is to be told of the lease given last, when it is not at its first, plain lease.
local function tell(answer, attempt, expire, expirations, failures, started, checkpoint)
  answer[5][#answer[5] + 1] = { #answer[2] - 1, attempt, expire, tonumber(expirations or 0), tonumber(failures or 0), started, checkpoint or nil }
end

local popped, blobs, next_pop, used_bytes, used_nonces, full = {}, {}, 1, 0, 0, false
local most_bytes = tonumber(max_bytes)
local some_have_hashes, all_have_hashes, hashes = false, false, 0 -- of the jobs popped last; of those leased
local to_lease, to_run, unexpiring = {}, {}, {}

local group_of = {} -- of the jobs popped
local take_out

local asked = 0 -- how many this call may lease: groups with a weight may have more popped and read

local unread = {} -- of those popped, with their scores: there is no room for what they carry

-- Reads those popped, as far as the answer has room: with payloads of 1 MB, 300 of them would hold the store for a third of a second.
local function read_popped()
  local found, n, at, bytes, step = {}, #popped / 2, 0, 0, FIRST_READ
  while at < n and bytes <= most_bytes do
    local specs = {}
    for i = at + 1, math.min(n, at + step) do specs[i - at] = spec .. popped[2 * i - 1] end
    local part = redis.call('MGET', unpack(specs))
    if #specs == n then return part end -- so few may be of any size
    for i = 1, #specs do
      found[at + i] = part[i]
      bytes = bytes + (part[i] and #part[i] or 0)
    end
    at = at + #specs
    step = math.max(FIRST_READ, math.min(3 * at, math.floor((most_bytes - bytes) * at / (bytes + 1))))
  end
  for i = 2 * n - 1, 2 * at + 1, -2 do
    if popped[i + 1] then -- else it is in its group's line
      unread[#unread + 1], unread[#unread + 2] = popped[i + 1], popped[i]
    end
    popped[i], popped[i + 1] = nil, nil
  end
  return found
end

local function pop_waiting()
  popped = redis.call('ZPOPMIN', wait, asked)
  if not popped[1] then return false end
  local hashes = {}
  blobs = read_popped()
  if tonumber(popped[#popped]) >= FIRST_TURN then
    -- INLINE: round
    begin_round()
    if not popped[1] then return true end -- all were of groups that are shut
  end
  for i = 1, #popped / 2 do hashes[i] = job .. popped[2 * i - 1] end
  local found = redis.call('EXISTS', unpack(hashes))
  some_have_hashes, all_have_hashes = found > 0, found == #hashes
  return false
end

-- What a job's options mean for its lease. The same header stands before all jobs of one add, up to what is behind a tab.
local headers = {}
local function header_read(line)
  local header = string.sub(line, 1, string.find(line, '\t', 1, true))
  local read = headers[header]
  if not read then
    local create_ms, json = header_of(string.sub(header, 1, -2) .. '\n')
    local options = decode(json)
    read = { timeout = options.to, expires = options.tl, is_plain = not (options.to or options.cr or options.dd), due_ms = options.ru or create_ms + (options.de or 0), started = 0 }
    headers[header] = read
  end
  return read
end

-- A job that was touched before, or has a timeout, a retention or a deduplication key of its own, is kept as a hash; settling then decides by the hash alone.
local function lease_by_hash(answer, id, nonce, header, blob, worker, lease_ms)
  local h = redis.call('HMGET', job .. id, 'a', 'n', 'fc', 'cp', 'ls', 'du')
  if not h[5] and h[6] then
    count_time('w', now - tonumber(h[6]), 1)
  elseif not h[5] then
    header.started = header.started + 1
  end
  local attempt, expire, deadline = tonumber(h[1] or 0) + 1, now + lease_ms, ''
  local _, options = header_of(blob)
  if header.timeout then
    deadline = now + header.timeout
    expire = math.min(expire, deadline)
  end
  redis.call('HSET', job .. id, 's', 'active', 't', nonce, 'a', attempt, 'w', worker, 'ls', start, 'ld', deadline, 'm', options)
  tell(answer, attempt, string.format('%d', expire), h[2], h[3], start, h[4])
  used_bytes = used_bytes + #(h[4] or '')
  return expire
end

-- What the loop looks at for each job it has in locals of its own: they cost a fraction of those of the script.
local function serve(answer, worker, max_jobs, lease_ms)
  local find, sub = string.find, string.sub
  local ids, their_nonces, their_blobs, n = answer[2], answer[3], answer[4], 0
  local popped, blobs, headers, to_lease, to_run, run, mixed = popped, blobs, headers, to_lease, to_run, run, all_have_hashes or some_have_hashes
  local groups_of, held_since, expire_ms, soonest = next(group_of) and group_of, start .. ' ' .. worker, now + lease_ms, nil
  local at, l, r, bytes = next_pop, #to_lease, #to_run, used_bytes
  local id, most = popped[at], math.min(max_jobs, asked - l / 2)
  while id and n < most and not full do
    local blob, group = blobs[(at + 1) / 2], groups_of and groups_of[(at + 1) / 2]
    if blob then
      if bytes > 0 and bytes + #blob > most_bytes then
        full = true
        break
      end
      bytes, n = bytes + #blob, n + 1
      local line = sub(blob, 1, find(blob, '\n', 1, true))
      local header, expire = headers[line] or header_read(line), expire_ms
      local nonce = sub(nonces, used_nonces * NONCE_LENGTH + 1, (used_nonces + 1) * NONCE_LENGTH)
      used_nonces = used_nonces + 1
      ids[n], their_nonces[n], their_blobs[n] = id, nonce, blob
      if header.is_plain and not (mixed and (all_have_hashes or redis.call('EXISTS', job .. id) == 1)) then
        to_run[r + 1], to_run[r + 2] = run .. id, 'a' .. nonce .. held_since .. (group and '\t' .. group or '')
        r = r + 2
        header.started = header.started + 1
      else
        used_bytes = bytes
        expire = lease_by_hash(answer, id, nonce, header, blob, worker, lease_ms)
        bytes = used_bytes
        hashes = hashes + 1
        full = hashes >= MAX_HASHES
      end
      if header.expires then unexpiring[#unexpiring + 1] = id end
      if not soonest or expire < soonest then soonest = expire end
      to_lease[l + 1], to_lease[l + 2] = expire, id
      l = l + 2
    end
    at = at + 2
    id = popped[at]
  end
  next_pop, used_bytes = at, bytes
  if soonest and (next_in < 0 or soonest - now < next_in) then next_in = soonest - now end
end

local function remember(request_id, answer, lease_ms)
  local given, ids, their_nonces = {}, answer[2], answer[3]
  for n = 1, #ids do given[2 * n - 1], given[2 * n] = ids[n], their_nonces[n] end
  redis.call('SET', request .. request_id, '0' .. call .. '\n' .. table.concat(given, '\n'), 'PX', math.min(REPLAY_MS, lease_ms))
end

local open, limited = limits[1] ~= '1', limits[2] or limits[3] or limits[4]
local active_room, rate_room, hold_ms, window_start, window_count = math.huge, math.huge, 0, 0, 0
if limited then
  -- INLINE: limit
end
if open and wanted > 0 then
  asked = math.min(wanted, #nonces / NONCE_LENGTH)
  for _ = 1, MAX_TRIES do
    if not pop_waiting() then break end
  end
end
for i, request_id, worker, max_jobs, lease_ms in items() do
  if not retried[i] then
    serve(answers[i], worker, tonumber(max_jobs), tonumber(lease_ms))
    if #answers[i][2] > 0 then
      remember(request_id, answers[i], tonumber(lease_ms))
      happened[#happened + 1] = 'leased\tactive\t' .. worker
      happened[#happened + 1] = answers[i][2]
    end
  end
end

if #to_run > 0 then redis.call('MSET', unpack(to_run)) end
if #to_lease > 0 then redis.call('ZADD', leases, unpack(to_lease)) end
if next(retried) then
  -- INLINE: replay
end
if take_out then take_out((next_pop - 1) / 2) end
if #unexpiring > 0 then redis.call('ZREM', expiry, unpack(unexpiring)) end
local unserved = unread
while popped[next_pop] do
  if popped[next_pop + 1] then -- else it is in its group's line still
    unserved[#unserved + 1] = popped[next_pop + 1]
    unserved[#unserved + 1] = popped[next_pop]
  end
  next_pop = next_pop + 2
end
if #unserved > 0 then redis.call('ZADD', wait, unpack(unserved)) end
for _, header in pairs(headers) do
  if header.started > 0 then count_time('w', now - header.due_ms, header.started) end
end
local more = open and redis.call('EXISTS', wait) or 0
if more == 0 and to_lease[1] then
  -- INLINE: drained
end
if limited then
  -- INLINE: limited
end
-- INLINE: publish_events
-- INLINE: publish_metrics
return { next_in, more, start, answers }
