-- schedule_read: schedules as they are. Stops before a reply of more than max_bytes.
-- KEYS: schedule*
-- ARGV: now_ms, max_bytes
-- ITEMS: id
-- RETURNS: one a schedule, as many as fit: its hash, flat | false when it does not exist
-- FLAGS: no-writes
local results, bytes = {}, 0
for i, id in items() do
  bytes = bytes + redis.call('HSTRLEN', schedule .. id, 'j')
  if i > 1 and bytes > tonumber(max_bytes) then return results end
  local h = redis.call('HGETALL', schedule .. id)
  results[i] = #h > 0 and h
end
return results
