-- stats: counts of a queue's jobs.
-- KEYS: meta, wait, behind, delayed, leases, completed, failed, cancelled, blocked, spec*
-- ARGV: now_ms
-- RETURNS: {waiting, delayed, active, completed, failed, cancelled, paused, oldest waiting age ms or -1, added, completed ever, failed ever, config_proto, known 0|1, blocked, held until ms or 0}
-- FLAGS: no-writes
-- USES: job
local now = clock()
local reply = {}
for i, set in ipairs({ wait, delayed, leases, completed, failed, cancelled }) do reply[i] = redis.call('ZCARD', set) end
local h = redis.call('HMGET', meta, 'paused', 'added', 'completed', 'failed', 'config_proto', 'hold')
reply[1] = reply[1] + redis.call('ZCARD', behind)
local age = -1
for _, set in ipairs({ wait, behind }) do
  local first = redis.call('ZRANGE', set, 0, 0)[1]
  local head = first and redis.call('GETRANGE', spec .. first, 0, 4095) or ''
  if head ~= '' then age = math.max(age, now - header_of(head)) end
end
reply[7] = h[1] == '1' and 1 or 0
reply[8] = age
reply[9], reply[10], reply[11] = tonumber(h[2] or 0), tonumber(h[3] or 0), tonumber(h[4] or 0)
reply[12] = h[5] or ''
reply[13] = redis.call('EXISTS', meta)
reply[14] = redis.call('ZCARD', blocked)
reply[15] = tonumber(h[6] or 0) > now and h[6] or '0'
return reply
