-- Telling the brokers that a queue has something to do. A message is "<queue> <ms>": lease at once (0), or look again
-- in so many milliseconds (a span, since the brokers' clocks are not the store's).
-- It is sent only when the queue goes from nothing to something, or when its next moment moves forward: an idle system is silent.
-- KEYS: meta, wait, delayed
local queue_name = string.sub(meta, 8, -7) -- of lmq:q:{QUEUE}:meta
local woken = false

local function publish_wake(ms) redis.call('PUBLISH', 'lmq:wake', queue_name .. ' ' .. string.format('%d', ms)) end

local function wake_if_first()
  if woken then return end
  woken = true
  if redis.call('EXISTS', wait) == 0 then publish_wake(0) end
end

-- To be called before the job is in the set, `delayed` or `expiry`.
local function wake_at(set, ms)
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if not first[2] or ms < math.floor(tonumber(first[2])) then publish_wake(math.max(0, ms - clock())) end
end
