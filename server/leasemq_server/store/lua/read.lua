-- read: jobs as they are, in one consistent look. Stops before a reply of more than max_bytes.
-- KEYS: delayed, leases, blocked, spec*, job*, run*
-- ARGV: now_ms, with_spec, max_bytes
-- ITEMS: id
-- RETURNS: one a job, as many as fit: {blob (with_spec 0: its header alone), delayed score, lease score, the job hash, flat, the plain record or nothing} | false when it does not exist
-- FLAGS: no-writes
local results, bytes = {}, 0
for i, id in items() do
  local blob
  if with_spec == '1' then
    blob = redis.call('GET', spec .. id)
  else
    blob = redis.call('GETRANGE', spec .. id, 0, 4095)
    local stop = string.find(blob, '\n', 1, true)
    blob = stop and string.sub(blob, 1, stop)
  end
  if blob then
    bytes = bytes + #blob
    if i > 1 and bytes > tonumber(max_bytes) then return results end
    local fields, plain = redis.call('HGETALL', job .. id), redis.call('GET', run .. id)
    if not plain and redis.call('ZSCORE', blocked, id) then
      fields[#fields + 1] = 's'
      fields[#fields + 1] = 'blocked'
    end
    results[i] = { blob, redis.call('ZSCORE', delayed, id), redis.call('ZSCORE', leases, id), fields, plain }
  else
    results[i] = false
  end
end
return results
