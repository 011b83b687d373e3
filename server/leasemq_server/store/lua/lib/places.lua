-- The places of waiting jobs. One sorted set holds all of them: the default priority 0 has the negative scores, priority p the
-- 2^32 scores from p * 2^32 on. Within a priority the tail counts up and the head counts down, so FIFO, LIFO and "back to the head" are exact.
-- A score is that of the first of n places given out; those of priority 0 go on by 1, up at the tail and down at the head.
-- KEYS: meta
local ZERO_START = -4503599627370496 -- -2^52
local STEP = 4294967296 -- 2^32
local MIDDLE = 1073741824 -- 2^30: room for 3.2e9 tails and 1.07e9 heads a queue and priority range

local function tail_score(priority, n)
  if priority == 0 then return ZERO_START + redis.call('HINCRBY', meta, 'tail', n) - n end
  return priority * STEP + MIDDLE + (redis.call('HINCRBY', meta, 'ptail', n) - n) % (3 * MIDDLE)
end

local function head_score(priority, n)
  if priority == 0 then return ZERO_START - redis.call('HINCRBY', meta, 'head', n) + n - 1 end
  return priority * STEP + MIDDLE - (redis.call('HINCRBY', meta, 'phead', n) - n + 1) % MIDDLE
end
