-- Ending the leases whose time is over.
-- KEYS: leases
-- USES: end_leases

-- Those that ended last come first, where not all can: the ones of the next call, which ended before them, stand before them at the head then.
local function reap_leases(now, most)
  local latest, ids = redis.call('ZREVRANGEBYSCORE', leases, '(' .. string.format('%d', now + 1), '-inf', 'LIMIT', 0, most), {}
  for i = #latest, 1, -1 do ids[#ids + 1] = latest[i] end
  end_leases(ids, now, 'lease expired')
  if file_ended then file_ended() end
  return #ids
end
