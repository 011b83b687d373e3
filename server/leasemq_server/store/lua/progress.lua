-- progress: stores how far an ACTIVE job is, if leased with this nonce.
-- KEYS: meta, leases, job*
-- ARGV: now_ms
-- ITEMS: id, nonce, progress
-- RETURNS: one a job: OK | LEASE_LOST
-- FLAGS: allow-oom
-- USES: lease, emit
local now = clock()
local results = {}
for i, id, nonce, progress in items() do
  results[i] = 'LEASE_LOST'
  if held(id, nonce, now) then
    redis.call('HSET', job .. id, 'p', progress)
    emit(id, 'progress', 'active')
    results[i] = 'OK'
  end
end
-- INLINE: publish_events
return results
