-- extend: ACTIVE → ACTIVE if leased with this nonce, until lease_ms from now but never beyond the attempt's timeout.
-- KEYS: leases, job*, run*
-- ARGV: now_ms, lease_ms
-- ITEMS: id, nonce
-- RETURNS: one a job: {EXTENDED | CANCEL_REQUESTED | LOST, expire_ms}
-- FLAGS: allow-oom
-- USES: held_plainly
local now = clock()
local results, records = {}, {}
for i, id in items() do records[i] = run .. id end
records = redis.call('MGET', unpack(records))

-- When the lease may end at the latest, and whether a cancel was asked for; nothing when this nonce does not hold it.
local function latest_end(id, nonce, record)
  if record then
    if is_held_plainly(record, nonce) then return math.huge, false end
    return nil
  end
  local h = redis.call('HMGET', job .. id, 's', 't', 'ld', 'c')
  local deadline = tonumber(h[3]) or math.huge
  if h[1] ~= 'active' or h[2] ~= nonce or now >= deadline then return nil end
  return deadline, h[4]
end

for i, id, nonce in items() do
  local latest, cancel = latest_end(id, nonce, records[i])
  if latest then
    local expire = math.min(now + tonumber(lease_ms), latest)
    redis.call('ZADD', leases, expire, id)
    results[i] = { cancel and 'CANCEL_REQUESTED' or 'EXTENDED', string.format('%d', expire) }
  else
    results[i] = { 'LOST', '0' }
  end
end
return results
