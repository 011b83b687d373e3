-- Where a job stands among those that wait. One sorted set holds all of them: the default priority 0 has the negative scores, priority p the
-- 2^32 scores from p * 2^32 on. Within a priority the tail counts up and the head counts down, so FIFO, LIFO and "back to the head" are exact.
-- A score is that of the first of n places given out; those of priority 0 go on by 1, up at the tail and down at the head.
-- KEYS: meta, wait, delayed, spec*
-- USES: job, wake, groups
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

local function priority_of(options) return options.p or 0 end

local function wait_at(score, id, options)
  if options.g then return groups().join({ options.g }, { id }, { score }) end
  wake_if_first()
  redis.call('ZADD', wait, score, id)
end

local function wait_at_tail(id, options)
  wait_at(options.l and head_score(priority_of(options), 1) or tail_score(priority_of(options), 1), id, options)
end

local function wait_at_head(id, options) wait_at(head_score(priority_of(options), 1), id, options) end

-- The same for many jobs, each {id, options}, by one command: the first of the list comes first, at the head too.
local function all_wait(list, at_head)
  local first, last, step = 1, #list, 1
  if at_head then first, last, step = #list, 1, -1 end
  local places, place, groups_of, ids, scores = {}, nil, {}, {}, {}
  for i = first, last, step do
    local id, options = list[i][1], list[i][2]
    local priority, score = priority_of(options), nil
    if priority > 0 or options.l and not at_head then
      score = (at_head or options.l) and head_score(priority, 1) or tail_score(priority, 1)
    else
      place = place and place + step or at_head and head_score(0, #list) or tail_score(0, #list)
      score = place
    end
    if options.g then
      local n = #ids + 1
      groups_of[n], ids[n], scores[n] = options.g, id, score
    else
      local n = #places
      places[n + 1], places[n + 2] = score, id
    end
  end
  if places[1] then
    wake_if_first()
    redis.call('ZADD', wait, unpack(places))
  end
  if ids[1] then groups().join(groups_of, ids, scores) end
end

local function delay_until(id, run_ms)
  wake_at(delayed, run_ms)
  redis.call('ZADD', delayed, run_ms, id)
end
