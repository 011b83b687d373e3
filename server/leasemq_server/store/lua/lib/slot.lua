-- What the end of a lease means to its group, and to a queue that a lease call has found full (lib/limit.lua): those who wait for room hear of it, once.
-- KEYS: meta, leases
-- USES: job, wake, groups
local room_told = false

local function lease_ended(id, group)
  if group then groups().leases_ended({ group }, { id }) end
  if room_told then return end
  room_told = true
  config()
  if was_full and redis.call('HDEL', meta, 'full') == 1 then publish_wake(0) end
end
