-- Adds what was counted to the minute that it is now.
-- KEYS: metrics*
-- USES: counts
if next(counted) then
  local hour = metrics .. string.format('%d', math.floor(now / 3600000))
  local minute = math.floor(now / 60000) % 60 .. ':'
  for name, n in pairs(counted) do
    if redis.call('HINCRBY', hour, minute .. name, n) == n then redis.call('PEXPIRE', hour, 90000000) end
  end
end
