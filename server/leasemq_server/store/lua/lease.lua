-- lease: WAITING → ACTIVE for several requests at once, first come first served. First does what time has brought about.
-- A request with a request_id that was answered before gets the same leases again, those that are still its own.
-- KEYS: meta, wait, delayed, leases, expiry, spec*, job*, request*
-- ARGV: now_ms, seed, max_moves, max_bytes, nonces, call
-- ITEMS: request_id, worker, max_jobs, lease_ms
-- RETURNS: {in how many ms to look again or -1, more 0|1, outbox 0|1, a list a request: {id, nonce, blob, attempt, expire_ms, lease_expirations, failure_count, start_ms}}
-- FLAGS: allow-oom
-- USES: job, moments
local NONCE_LENGTH = 24
local REPLAY_MS = 60000
local now = clock()
local outbox_entries = 0
local next_in = next_change(now)
if next_in == 0 then
  -- INLINE: maintain
  maintain(now, tonumber(max_moves))
  file_finished()
  outbox_entries = outbox_written
  next_in = next_change(now)
end

local answers, wanted, is_retry, seen = {}, 0, {}, {}
for i, request_id, _, max_jobs in items() do
  answers[i] = {}
  is_retry[i] = seen[request_id] or redis.call('EXISTS', request .. request_id) == 1
  if not is_retry[i] then wanted = wanted + tonumber(max_jobs) end
  seen[request_id] = true
end

local function replay(i, request_id)
  local kept = redis.call('HGET', request .. request_id, 'leases')
  if not kept then return end
  redis.call('HSET', request .. request_id, 'replayed', 1)
  for _, pair in ipairs(cjson.decode(kept)) do
    local id, nonce = pair[1], pair[2]
    local h = redis.call('HMGET', job .. id, 's', 't', 'a', 'n', 'fc', 'ls')
    if h[1] == 'active' and h[2] == nonce then
      answers[i][#answers[i] + 1] =
        { id, nonce, redis.call('GET', spec .. id), tonumber(h[3]), redis.call('ZSCORE', leases, id), tonumber(h[4] or 0), tonumber(h[5] or 0), h[6] }
    end
  end
end

local popped, blobs, next_pop, used_bytes, used_nonces, full = {}, {}, 1, 0, 0, false
local to_lease, unexpiring = {}, {}

local function pop_waiting()
  popped = redis.call('ZPOPMIN', wait, math.min(wanted, #nonces / NONCE_LENGTH))
  local keys = {}
  for i = 1, #popped, 2 do keys[#keys + 1] = spec .. popped[i] end
  if #keys > 0 then blobs = redis.call('MGET', unpack(keys)) end
end

local function lease_one(id, blob, worker, lease_ms)
  local _, json = header_of(blob)
  local options = decode(json)
  local h = redis.call('HMGET', job .. id, 'a', 'n', 'fc')
  local attempt = tonumber(h[1] or 0) + 1
  local nonce = string.sub(nonces, used_nonces * NONCE_LENGTH + 1, (used_nonces + 1) * NONCE_LENGTH)
  used_nonces = used_nonces + 1
  local expire = now + lease_ms
  local deadline = ''
  if options.to then
    deadline = now + options.to
    expire = math.min(expire, deadline)
  end
  if options.tl then unexpiring[#unexpiring + 1] = id end
  local start = string.format('%.0f', now)
  if json == '' then
    redis.call('HSET', job .. id, 's', 'active', 't', nonce, 'a', attempt, 'w', worker, 'ls', start)
  else -- settling then decides by the hash alone
    redis.call('HSET', job .. id, 's', 'active', 't', nonce, 'a', attempt, 'w', worker, 'ls', start, 'ld', deadline, 'm', json)
  end
  if next_in < 0 or expire - now < next_in then next_in = expire - now end
  to_lease[#to_lease + 1] = expire
  to_lease[#to_lease + 1] = id
  return { id, nonce, blob, attempt, string.format('%.0f', expire), tonumber(h[2] or 0), tonumber(h[3] or 0), start }
end

local function serve(answer, worker, max_jobs, lease_ms)
  while #answer < max_jobs and popped[next_pop] and not full do
    local blob = blobs[(next_pop + 1) / 2]
    if blob then
      if used_bytes > 0 and used_bytes + #blob > tonumber(max_bytes) then
        full = true
        return
      end
      used_bytes = used_bytes + #blob
      answer[#answer + 1] = lease_one(popped[next_pop], blob, worker, lease_ms)
    end
    next_pop = next_pop + 2
  end
end

local function remember(request_id, answer, lease_ms)
  local pairs_of = {}
  for n, lease in ipairs(answer) do pairs_of[n] = { lease[1], lease[2] } end
  redis.call('HSET', request .. request_id, 'leases', cjson.encode(pairs_of), 'call', call)
  redis.call('PEXPIRE', request .. request_id, math.min(REPLAY_MS, lease_ms))
end

local open = redis.call('HGET', meta, 'paused') ~= '1'
if open and wanted > 0 then pop_waiting() end
for i, request_id, worker, max_jobs, lease_ms in items() do
  if not is_retry[i] then
    serve(answers[i], worker, tonumber(max_jobs), tonumber(lease_ms))
    if #answers[i] > 0 then remember(request_id, answers[i], tonumber(lease_ms)) end
  end
end

if #to_lease > 0 then redis.call('ZADD', leases, unpack(to_lease)) end
for i, request_id in items() do
  if is_retry[i] then replay(i, request_id) end
end
if #unexpiring > 0 then redis.call('ZREM', expiry, unpack(unexpiring)) end
local unserved = {}
while popped[next_pop] do
  unserved[#unserved + 1] = popped[next_pop + 1]
  unserved[#unserved + 1] = popped[next_pop]
  next_pop = next_pop + 2
end
if #unserved > 0 then redis.call('ZADD', wait, unpack(unserved)) end
return { next_in, open and redis.call('EXISTS', wait) or 0, outbox_entries, answers }
