-- tick: what time alone brings about in a queue that nobody may be polling, and the sweep of finished jobs that were kept long enough.
-- The sweep by the queue's age goes by a cursor over the finish time, so that jobs with an age of their own (in `purge`) are passed once.
-- KEYS: meta, wait, behind, delayed, blocked, leases, expiry, completed, failed, cancelled, purge, outbox, spec*, job*, logs*
-- ARGV: now_ms, seed, max_moves
-- RETURNS: {in how many ms to tick again or -1, outbox length, jobs moved, jobs swept, 1 if the queue has jobs of any kind}
-- FLAGS: allow-oom
-- USES: job, wake, order, moments, finish, retry, maintain
local now = clock()
local _, of_queue = config('sweep_completed', 'sweep_failed', 'sweep_cancelled')
local CURSORS = { completed = of_queue[7], failed = of_queue[8], cancelled = of_queue[9] } -- behind which the finished jobs of a state are to be looked at
local budget = tonumber(max_moves)
local moved = maintain(now, budget)
file_finished()
local swept, next_sweep = 0, nil

local function soonest(ms)
  if ms and (not next_sweep or ms < next_sweep) then next_sweep = ms end
end

local function purge_due()
  local ids = due(purge, now, budget)
  for _, id in ipairs(ids) do
    local state = redis.call('HGET', job .. id, 's')
    redis.call('ZREM', purge, id)
    if SETS[state] then redis.call('ZREM', SETS[state], id) end
  end
  remove_all(ids)
  swept = swept + #ids
  soonest(first_score(purge))
end

-- The first job from a cursor on, with its score.
local function first_from(cursor, state) return redis.call('ZRANGEBYSCORE', SETS[state], cursor, '+inf', 'WITHSCORES', 'LIMIT', 0, 1) end

local function sweep_by_age(state)
  local age = retention({}, state)
  if not age then return end
  local cursor = CURSORS[state] or '-inf'
  local oldest = first_from(cursor, state)
  if not oldest[2] then return end
  if tonumber(oldest[2]) > now - age then return soonest(math.max(tonumber(oldest[2]) + age, now + 1000)) end
  local old = redis.call('ZRANGEBYSCORE', SETS[state], cursor, now - age, 'WITHSCORES', 'LIMIT', 0, budget)
  local ids, last = {}, nil
  for i = 1, #old, 2 do
    if not redis.call('ZSCORE', purge, old[i]) then ids[#ids + 1] = old[i] end
    last = old[i + 1]
  end
  if #ids > 0 then redis.call('ZREM', SETS[state], unpack(ids)) end
  remove_all(ids)
  swept = swept + #ids
  -- ties with the last one may be left: the cursor moves past it when the whole range was seen, or when all that was seen stays
  cursor = (#old < 2 * budget or #ids == 0) and '(' .. last or last
  redis.call('HSET', meta, 'sweep_' .. state, cursor)
  local left = first_from(cursor, state)
  if left[2] then soonest(math.max(tonumber(left[2]) + age, now + 1000)) end
end

local function sweep_by_count(state)
  local _, count = retention({}, state)
  if count then swept = swept + trim(state, count, budget) end
end

purge_due()
for state in pairs(SETS) do
  if swept < budget then sweep_by_age(state) end
  if swept < budget then sweep_by_count(state) end
end
if swept >= budget then soonest(now) end -- there may be more
local soon = next_change(now)
if next_sweep then
  local sweep_in = math.max(0, math.ceil(next_sweep) - now)
  if soon < 0 or sweep_in < soon then soon = sweep_in end
end
local any = math.min(1, redis.call('EXISTS', wait, behind, delayed, blocked, leases, completed, failed, cancelled))
-- INLINE: publish_events
-- INLINE: publish_metrics
return { soon, redis.call('XLEN', outbox), moved, swept, any }
