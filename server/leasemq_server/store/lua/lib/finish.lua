-- COMPLETED, FAILED and CANCELLED: where finished jobs go, how long they stay, and what other queues and waiting callers learn of them.
-- KEYS: meta, expiry, purge, outbox, spec*, job*, dependents*
-- USES: job, wake, events, outbox, retention, sets
local AWAITED_MS = 60000 -- a job that somebody waits for outlives "remove at once" by this

-- Puts a copy for the dead-letter queue into the outbox, whole, since the job itself may be removed at once. `blob` is what is stored of the job, if that was read.
local function send_to_dead_letter_queue(id, options, now, failure, blob)
  local target = options.dl or config().dl
  if not target or target == '' or target == queue_name then return false end
  blob = blob or redis.call('GET', spec .. id)
  local _, _, stop = header_of(blob)
  redis.call('XADD', outbox, '*', 'target', target, 'id', id, 'finish_ms', string.format('%d', now), 'failure', failure or '', 'spec', string.sub(blob, stop + 1))
  return true
end

local entering = { completed = {}, failed = {}, cancelled = {} } -- score and id of the jobs that this script finishes
local keep = {} -- how many each set is to keep
local failing, unexpiring, purging = 0, {}, {} -- what else file_finished() is to do: count, take out of `expiry`, put into `purge`

local free_key_of -- made when the first job with a deduplication key finishes

-- The job is out of wait, delayed and leases already. The script must call file_finished() at its end.
local function finish(id, state, now, options, awaited, fields)
  if options.dd then
    if not free_key_of then
      -- INLINE: dedup
      free_key_of = free_key
    end
    free_key_of(id, options.dd.k, now)
  end
  local age, count, own = retention(options, state)
  if awaited and (age == 0 or count == 0) then age, count, own = AWAITED_MS, nil, true end
  if options.tl then unexpiring[#unexpiring + 1] = id end
  if has_flows and redis.call('EXISTS', dependents .. id) == 1 then
    local result = state == 'completed' and fields or {}
    redis.call('XADD', outbox, '*', 'kind', 'ended', 'id', id, 'state', state, 'result', result[2] or '', 'content_type', result[4] or '')
    outbox_written = outbox_written + 1
  end
  if age == 0 or count == 0 then
    -- INLINE: remove
    remove_all({ id })
  else
    local set = entering[state]
    set[#set + 1] = now
    set[#set + 1] = id
    redis.call('HSET', job .. id, 's', state, 'ft', now, unpack(fields))
    if own and age then
      purging[#purging + 1] = now + age
      purging[#purging + 1] = id
    end
    keep[state] = count and math.min(count, keep[state] or count) or keep[state]
  end
  if awaited then redis.call('PUBLISH', 'lmq:done', queue_name .. ' ' .. id) end
end

-- Puts the finished jobs into their sets, one call a set, and applies the retention by count.
local function file_finished()
  if failing > 0 then redis.call('HINCRBY', meta, 'failed', failing) end
  if unexpiring[1] then redis.call('ZREM', expiry, unpack(unexpiring)) end
  if purging[1] then redis.call('ZADD', purge, unpack(purging)) end
  for state, set in pairs(entering) do
    if #set > 0 then redis.call('ZADD', SETS[state], unpack(set)) end
    local excess = keep[state] and redis.call('ZCARD', SETS[state]) - keep[state] or 0
    if excess > 0 then
      -- INLINE: remove
      trim(state, excess, MOST_TRIMMED)
    end
  end
end
