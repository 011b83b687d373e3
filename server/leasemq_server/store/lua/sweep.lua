-- sweep: removes finished jobs that were kept for as long as they are to be kept, or that are more than their queue keeps.
-- The sweep by the queue's age goes by a cursor over the finish time, so that jobs with an age of their own (in `purge`) are passed once.
-- KEYS: meta, completed, failed, cancelled, purge, outbox, job*, logs*
-- ARGV: now_ms, max_moves
-- RETURNS: {in how many ms to sweep again or -1, jobs swept, outbox length}
-- FLAGS: allow-oom
-- USES: job, first_score, retention, sets
local now = clock()
local _, of_queue = config('sweep_completed', 'sweep_failed', 'sweep_cancelled')
local CURSORS = { completed = of_queue[7], failed = of_queue[8], cancelled = of_queue[9] } -- behind which the finished jobs of a state are to be looked at
local most, swept, next_sweep = tonumber(max_moves), 0, nil

local function soonest(ms)
  if ms and (not next_sweep or ms < next_sweep) then next_sweep = ms end
end

local first_purge = first_score(purge)
soonest(first_purge)
if first_purge and first_purge < now + 1 then
  -- INLINE: purge_due
  purge_due()
end
for state, set in pairs(SETS) do
  local kept = swept < most and redis.call('ZCARD', set) or 0
  if kept > 0 then
    local age, count = retention({}, state)
    local cursor = CURSORS[state] or '-inf'
    if age and (tonumber(string.match(cursor, '[%d.]+')) or 0) > now - age then cursor = '-inf' end -- the clock was set back, or the age made longer
    local oldest = age and redis.call('ZRANGEBYSCORE', set, cursor, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if oldest and tonumber(oldest) > now - age then
      soonest(math.max(tonumber(oldest) + age, now + 1000))
      oldest = nil
    end
    if oldest or count and kept > count then
      -- INLINE: sweep_state
      if oldest then sweep_by_age(state, age, cursor) end
      if count and swept < most then sweep_by_count(state, count) end
    end
  end
end
if swept >= most then soonest(now) end -- there may be more
return { next_sweep and math.max(0, math.ceil(next_sweep) - now) or -1, swept, redis.call('XLEN', outbox) }
