-- Ending the leases whose time is over.
-- KEYS: leases
-- USES: end_leases, due

-- Those that ended last come first, where not all can: the ones of the next call, which ended before them, stand before them at the head then.
local function reap_leases(now, most)
  local latest, ids = due(leases, now, most, true), {}
  for i = #latest, 1, -1 do ids[#ids + 1] = latest[i] end
  end_leases(ids, now, 'lease expired')
  if file_ended then file_ended() end
  return #ids
end
