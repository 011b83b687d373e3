-- How many entries this script call has written into the outbox: the broker that is told of them relays them at once.
local outbox_written = 0
