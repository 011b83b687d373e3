-- Deduplication by key. A record `dedup*` names the job that holds a key, but whether it holds is decided by that job's state and by time whenever the
-- key is asked for: a record left behind by a crash, or by anything else, blocks nothing. Taking records away is housekeeping.
-- KEYS: meta, wait, delayed, expiry, outbox, spec*, job*, run*, logs*, dedup*, dependents*
-- USES: job, wake, order, enqueue, emit
local HELD_FIELDS = { 'j', 'm', 'u', 'ni' }
local KEEP_MS = 1000 -- a record outlives its time by this: the store's own clock only tidies up

local function is_unfinished(state) return state and state ~= 'completed' and state ~= 'failed' and state ~= 'cancelled' end

local function has_started(id) return redis.call('HEXISTS', job .. id, 'ls') == 1 or redis.call('EXISTS', run .. id) == 1 end

-- The job that holds the key, and its state; or nothing, and whether there is no record at all.
local function holder_of(key, now)
  local h = redis.call('HMGET', dedup .. key, unpack(HELD_FIELDS))
  local id, mode, free_at, next_id = h[1], h[2], tonumber(h[3]), h[4]
  if not id then return nil, nil, true end
  local state = state_of(id)
  if next_id and is_unfinished(state) then return id, state end
  if free_at and now >= free_at then return nil end
  if free_at and mode ~= 'u' then return id, state end -- for its time, whatever became of the job
  if mode == 'd' and (state ~= 'delayed' or has_started(id)) then return nil end
  if is_unfinished(state) then return id, state end
end

local function take_key(id, own, now, is_new)
  local record = dedup .. own.k
  if not is_new then redis.call('DEL', record) end
  if not own.t then
    redis.call('HSET', record, 'j', id, 'm', own.m)
  else
    redis.call('HSET', record, 'j', id, 'm', own.m, 'u', string.format('%d', now + own.t))
    if own.m ~= 'u' then redis.call('PEXPIRE', record, own.t + KEEP_MS) end -- others go when their job does
  end
end

local function keep_aside(key, id, spec_bytes, options, delay_ms, run_ms)
  local record = dedup .. key
  redis.call('HDEL', record, 'nr')
  redis.call('HSET', record, 'ni', id, 'ns', spec_bytes, 'no', options, 'nd', delay_ms == '' and 0 or delay_ms)
  if run_ms ~= '' then redis.call('HSET', record, 'nr', run_ms) end
  redis.call('PERSIST', record)
end

local told_dependents = false -- the outbox was written

local function take_out_delayed(id)
  config()
  if has_flows and redis.call('EXISTS', dependents .. id) == 1 then
    redis.call('XADD', outbox, '*', 'kind', 'ended', 'id', id, 'state', 'deleted', 'result', '', 'content_type', '')
    told_dependents = true
  end
  if redis.call('HGET', job .. id, 'aw') then redis.call('PUBLISH', 'lmq:done', queue_name .. ' ' .. id) end
  redis.call('ZREM', delayed, id)
  redis.call('ZREM', expiry, id)
  redis.call('UNLINK', spec .. id, job .. id, run .. id, logs .. id)
  emit(id, 'removed', nil, nil, 'deduplicated')
end

-- Whether a new job (its id does not exist) with such a key is to be added: nil if so, plainly; the id of the job whose place it has taken, and true; or
-- the id of the job that holds the key, false, and its state. The caller sets `keyed` in meta.
local function deduplicate(id, spec_bytes, options, own, delay_ms, run_ms, now)
  local holder, state, is_new = holder_of(own.k, now)
  if not holder then
    take_key(id, own, now, is_new)
    return nil
  end
  if own.m == 'd' and state == 'delayed' and not has_started(holder) then
    take_out_delayed(holder)
    take_key(id, own, now)
    return holder, true
  end
  if own.m == 'l' and is_unfinished(state) and has_started(holder) then keep_aside(own.k, id, spec_bytes, options, delay_ms, run_ms) end
  return holder, false, state
end

-- Adds the job that was kept aside, if there is one; it has no key yet.
local function add_next(record, now)
  local h = redis.call('HMGET', record, 'ni', 'ns', 'no', 'nd', 'nr')
  if not h[1] then return nil end
  local ms = h[5] and math.max(0, tonumber(h[5]) - now) or tonumber(h[4])
  return enqueue(h[1], h[2], h[3], ms, now, 'deduplication') and h[1], decode(h[3]).dd
end

-- The job has finished: its key is free, but for a time that runs on; one that was kept aside is added, and has it next.
local function free_key(id, key, now)
  local record = dedup .. key
  local h = redis.call('HMGET', record, 'j', 'm', 'u', 'ni')
  if h[1] ~= id then return end
  if h[4] then
    local next_id, own = add_next(record, now)
    redis.call('DEL', record)
    if next_id then take_key(next_id, own, now) end
  elseif not (h[3] and h[2] ~= 'u') then
    redis.call('DEL', record)
  end
end

-- The job is removed: its key is free, and what was kept aside for it goes too.
local function drop_key(id, key)
  if redis.call('HGET', dedup .. key, 'j') == id then redis.call('DEL', dedup .. key) end
end

-- A job that is redriven has its key again unless another one has it, or the key was only for a time.
local function retake_key(id, own, now)
  if own.t or own.m == 'd' or holder_of(own.k, now) then return end
  take_key(id, own, now)
end
