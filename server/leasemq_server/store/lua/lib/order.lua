-- Where a job stands among those that wait. One sorted set holds all of them: the default priority 0 has the negative scores, priority p the
-- 2^32 scores from p * 2^32 on. Within a priority the tail counts up and the head counts down, so FIFO, LIFO and "back to the head" are exact.
-- KEYS: meta, wait, delayed, spec*
-- USES: job, wake, groups
local ZERO_START = -4503599627370496 -- -2^52
local STEP = 4294967296 -- 2^32
local MIDDLE = 1073741824 -- 2^30: room for 3.2e9 tails and 1.07e9 heads a queue and priority range

local function tail_score(priority, n)
  if priority == 0 then return ZERO_START + redis.call('HINCRBY', meta, 'tail', n) - n end
  return priority * STEP + MIDDLE + (redis.call('HINCRBY', meta, 'ptail', n) - n) % (3 * MIDDLE)
end

local function head_score(priority)
  if priority == 0 then return ZERO_START - redis.call('HINCRBY', meta, 'head', 1) end
  return priority * STEP + MIDDLE - redis.call('HINCRBY', meta, 'phead', 1) % MIDDLE
end

local function priority_of(options) return options.p or 0 end

local function wait_at(score, id, options)
  if options.g then return groups().join({ options.g }, { id }, { score }) end
  wake_if_first()
  redis.call('ZADD', wait, score, id)
end

local function wait_at_tail(id, options) wait_at(options.l and head_score(priority_of(options)) or tail_score(priority_of(options), 1), id, options) end

local function wait_at_head(id, options) wait_at(head_score(priority_of(options)), id, options) end

local function delay_until(id, run_ms)
  wake_at(delayed, run_ms)
  redis.call('ZADD', delayed, run_ms, id)
end
