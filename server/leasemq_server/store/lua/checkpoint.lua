-- checkpoint: stores where an ACTIVE job's next attempt may go on, if leased with this nonce.
-- KEYS: leases, job*
-- ARGV: now_ms
-- ITEMS: id, nonce, checkpoint
-- RETURNS: one a job: OK | LEASE_LOST
-- FLAGS: allow-oom
-- USES: lease
local now = clock()
local results = {}
for i, id, nonce, checkpoint in items() do
  results[i] = 'LEASE_LOST'
  if held(id, nonce, now) then
    redis.call('HSET', job .. id, 'cp', checkpoint)
    results[i] = 'OK'
  end
end
return results
