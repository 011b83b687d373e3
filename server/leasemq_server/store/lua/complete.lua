-- complete: ACTIVE → COMPLETED if leased with this nonce. The result is stored, the retention applied.
-- KEYS: meta, leases, completed, job*, spec*
-- ARGV: now_ms
-- ITEMS: id, nonce, result, content_type
-- RETURNS: one a job: {OK, state, run_ms, attempts left} | {LEASE_LOST}
-- FLAGS: allow-oom
-- USES: job, wake, finish, lease
local now = clock()
local results, done = {}, {}

for i, id, nonce, result, content_type in items() do
  local record, reply = held(id, nonce, now)
  if record then
    local fields = {}
    if result ~= '' then fields = { 'r', result, 'rt', content_type } end
    done[#done + 1] = id
    finish(id, 'completed', now, record.options, record.awaited, fields)
    reply = outcome('completed', 0, 0)
  end
  results[i] = reply
end

if #done > 0 then
  redis.call('ZREM', leases, unpack(done))
  redis.call('HINCRBY', meta, 'completed', #done)
  file_finished()
end
return results
