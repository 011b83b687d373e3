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

local function pop_waiting()
  popped = redis.call('ZPOPMIN', wait, asked)
  if not popped[1] then return false end
  local specs, hashes = {}, {}
  for i = 1, #popped, 2 do specs[#specs + 1] = spec .. popped[i] end
  blobs = redis.call('MGET', unpack(specs))
  if tonumber(popped[#popped]) >= FIRST_TURN then
    -- INLINE: round
    begin_round()
    if not popped[1] then return true end -- all were of groups that are shut
  end
  for i = 1, #popped, 2 do hashes[#hashes + 1] = job .. popped[i] end
  local found = redis.call('EXISTS', unpack(hashes))
  some_have_hashes, all_have_hashes = found > 0, found == #hashes
  return false
end

-- What a job's options mean for its lease. The same header stands before all jobs of one add, up to what is behind a tab.
local headers = {}
local function header_read(blob)
  local header = string.sub(blob, 1, string.find(blob, '\n', 1, true))
  if headers[header] then return headers[header] end
  header = string.sub(header, 1, string.find(header, '\t', 1, true))
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

local function serve(answer, worker, max_jobs, lease_ms)
  local held_since, expire_ms = start .. ' ' .. worker, now + lease_ms
  local ids, their_nonces, their_blobs, n = answer[2], answer[3], answer[4], 0
  while n < max_jobs and #to_lease < 2 * asked and popped[next_pop] and not full do
    local at = (next_pop + 1) / 2
    local id, blob, group = popped[next_pop], blobs[at], group_of[at]
    if blob then
      if used_bytes > 0 and used_bytes + #blob > most_bytes then
        full = true
        return
      end
      used_bytes = used_bytes + #blob
      local header, expire = header_read(blob), expire_ms
      local nonce = string.sub(nonces, used_nonces * NONCE_LENGTH + 1, (used_nonces + 1) * NONCE_LENGTH)
      used_nonces, n = used_nonces + 1, n + 1
      ids[n], their_nonces[n], their_blobs[n] = id, nonce, blob
      if header.is_plain and not (all_have_hashes or some_have_hashes and redis.call('EXISTS', job .. id) == 1) then
        local r = #to_run
        to_run[r + 1], to_run[r + 2] = run .. id, 'a' .. nonce .. held_since .. (group and '\t' .. group or '')
        header.started = header.started + 1
      else
        expire = lease_by_hash(answer, id, nonce, header, blob, worker, lease_ms)
        hashes = hashes + 1
        full = hashes >= MAX_HASHES
      end
      if header.expires then unexpiring[#unexpiring + 1] = id end
      if next_in < 0 or expire - now < next_in then next_in = expire - now end
      local l = #to_lease
      to_lease[l + 1], to_lease[l + 2] = expire, id
    end
    next_pop = next_pop + 2
  end
end

local function remember(request_id, answer, lease_ms)
  local given = {}
  for n, id in ipairs(answer[2]) do
    given[2 * n - 1] = id
    given[2 * n] = answer[3][n]
  end
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
local unserved = {}
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
