-- stats: counts of a queue's jobs.
-- KEYS: meta, wait, delayed, leases, completed, failed, cancelled, blocked, spec*
-- ARGV: now_ms
-- RETURNS: {waiting, delayed, active, completed, failed, cancelled, paused, oldest waiting age ms or -1, added, completed ever, failed ever, config_proto, known 0|1, blocked, held until ms or 0}
-- FLAGS: no-writes
-- USES: job
local now = clock()
local reply = {}
for i, set in ipairs({ wait, delayed, leases, completed, failed, cancelled }) do reply[i] = redis.call('ZCARD', set) end
local h = redis.call('HMGET', meta, 'paused', 'added', 'completed', 'failed', 'config_proto', 'hold')
local first, age = redis.call('ZRANGE', wait, 0, 0)[1], -1
if first then
  local head = redis.call('GETRANGE', spec .. first, 0, 4095)
  if head ~= '' then age = math.max(0, now - header_of(head)) end
end
reply[7] = h[1] == '1' and 1 or 0
reply[8] = age
reply[9], reply[10], reply[11] = tonumber(h[2] or 0), tonumber(h[3] or 0), tonumber(h[4] or 0)
reply[12] = h[5] or ''
reply[13] = redis.call('EXISTS', meta)
reply[14] = redis.call('ZCARD', blocked)
reply[15] = tonumber(h[6] or 0) > now and h[6] or '0'
return reply
