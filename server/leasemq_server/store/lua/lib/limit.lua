-- How many of the waiting jobs the queue's limits let this call lease. Nothing is counted that could leak: running jobs are the size of `leases`;
-- the rate is a fixed window, opened by its first lease. A lease that is given back was a lease all the same.
-- KEYS: meta, wait, leases
active_room = limits[2] and math.max(0, limits[2] - redis.call('ZCARD', leases)) or math.huge
if limits[3] then
  local rate = redis.call('HMGET', meta, 'rn', 'rw', 'rc')
  window_start, window_count = tonumber(rate[2] or 0), tonumber(rate[3] or 0)
  if now < window_start or now >= window_start + limits[3] then -- before it: the clock was set back
    window_start, window_count = now, 0
  end
  rate_room = math.max(0, rate[1] - window_count)
end
if limits[4] then
  hold_ms = limits[4] - now
  if hold_ms <= 0 then redis.call('HDEL', meta, 'hold') end
end
wanted = hold_ms > 0 and 0 or math.min(wanted, active_room, rate_room)
