-- extend: ACTIVE → ACTIVE if leased with this nonce, until lease_ms from now but never beyond the attempt's timeout.
-- KEYS: leases, job*
-- ARGV: now_ms, lease_ms
-- ITEMS: id, nonce
-- RETURNS: one a job: {EXTENDED | CANCEL_REQUESTED | LOST, expire_ms}
-- FLAGS: allow-oom
local now = clock()
local results = {}
for i, id, nonce in items() do
  local h = redis.call('HMGET', job .. id, 's', 't', 'ld', 'c')
  local deadline = tonumber(h[3]) or 0
  if h[1] ~= 'active' or h[2] ~= nonce or (deadline > 0 and now >= deadline) then
    results[i] = { 'LOST', '0' }
  else
    local expire = now + tonumber(lease_ms)
    if deadline > 0 then expire = math.min(expire, deadline) end
    redis.call('ZADD', leases, expire, id)
    results[i] = { h[4] and 'CANCEL_REQUESTED' or 'EXTENDED', string.format('%.0f', expire) }
  end
end
return results
