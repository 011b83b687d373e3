-- The guard of every settlement: is this nonce the job's lease, was it, or is it lost?
-- KEYS: leases, job*, run*
-- USES: job, plain
local SETTLED_FIELDS = { 's', 't', 'so', 'a', 'c', 'f', 'fc', 'aw', 'w', 'ld', 'm', 'ls' }

-- `so` holds {nonce, reply} of a settlement after which the job goes on; one that ended it is told by the state.
local function first_outcome(state, nonce, so)
  local kept = so and cjson.decode(so)
  if kept and kept[1] == nonce then return kept[2] end
  return { 'OK', state, '0', 0 }
end

-- Returns the job's record when the lease is held; else nil and the reply to give: the first outcome again, or LEASE_LOST.
-- A lease whose time is over but that nobody has reaped yet still counts: until then the work is not done twice. A timed out attempt does not.
local function held(id, nonce, now)
  local plain = redis.call('GET', run .. id)
  if plain then
    if string.sub(plain, 2, 25) ~= nonce then return nil, { 'LEASE_LOST' } end
    if string.sub(plain, 1, 1) == 'c' then return nil, first_outcome('completed', nonce) end
    unfold(id)
  end
  local h = redis.call('HMGET', job .. id, unpack(SETTLED_FIELDS))
  if not h[2] or h[2] ~= nonce then return nil, { 'LEASE_LOST' } end
  if h[1] ~= 'active' then return nil, first_outcome(h[1], nonce, h[3]) end
  if (tonumber(h[10]) or math.huge) <= now then return nil, { 'LEASE_LOST' } end
  return { nonce = nonce, options = decode(h[11]), attempt = tonumber(h[4]), cancel = h[5], failures = h[6], failure_count = tonumber(h[7] or 0), awaited = h[8], worker = h[9], start = h[12] }
end

local function outcome(state, run_ms, left) return { 'OK', state, string.format('%d', run_ms), left } end
