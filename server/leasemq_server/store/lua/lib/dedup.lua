-- Deduplication by key. A record `dedup*` names the job that holds a key, but whether it holds is decided by that job's state and by time whenever the
-- key is asked for: a record left behind by a crash, or by anything else, blocks nothing. Taking records away is housekeeping.
-- KEYS: meta, wait, delayed, expiry, outbox, spec*, job*, run*, logs*, dedup*, dependents*
-- USES: job, wake, order, enqueue, emit, key_record, outbox, state_of
local function is_unfinished(state) return state and state ~= 'completed' and state ~= 'failed' and state ~= 'cancelled' end

local function has_started(id) return redis.call('HEXISTS', job .. id, 'ls') == 1 or redis.call('EXISTS', run .. id) == 1 end

-- What a record says: the job, its mode, until when it holds at the latest, and the job that is kept aside for it, as it is kept.
local function read_record(key)
  local record = redis.call('GET', dedup .. key)
  if not record then return nil end
  local stop = string.find(record, '\n', 1, true)
  local space = string.find(record, ' ', 1, true)
  return string.sub(record, space + 1, (stop or 0) - 1), string.sub(record, 1, 1), tonumber(string.sub(record, 2, space - 1)), stop and string.sub(record, stop + 1)
end

-- The job that holds the key, and its state; or nothing.
local function holder_of(key, now)
  local id, mode, free_at, aside = read_record(key)
  if not id then return nil end
  local state = state_of(id)
  if aside and is_unfinished(state) then return id, state end
  if free_at and now >= free_at then return nil end
  if free_at and mode ~= 'u' then return id, state end -- for its time, whatever became of the job
  if mode == 'd' and (state ~= 'delayed' or has_started(id)) then return nil end
  if is_unfinished(state) then return id, state end
end

local function take_key(id, own, now)
  local stays_ms = key_record_stays(own)
  if stays_ms then
    redis.call('SET', dedup .. own.k, key_record(id, own, now), 'PX', stays_ms)
  else
    redis.call('SET', dedup .. own.k, key_record(id, own, now))
  end
end

local function keep_aside(key, id, spec_bytes, options)
  local record = redis.call('GET', dedup .. key)
  local stop = string.find(record, '\n', 1, true)
  redis.call('SET', dedup .. key, string.sub(record, 1, (stop or 0) - 1) .. '\n' .. id .. '\n' .. options .. '\n' .. spec_bytes)
end

local function take_out_delayed(id)
  config()
  if has_flows and redis.call('EXISTS', dependents .. id) == 1 then
    redis.call('XADD', outbox, '*', 'kind', 'ended', 'id', id, 'state', 'deleted', 'result', '', 'content_type', '')
    outbox_written = outbox_written + 1
  end
  if redis.call('HGET', job .. id, 'aw') then redis.call('PUBLISH', 'lmq:done', queue_name .. ' ' .. id) end
  redis.call('ZREM', delayed, id)
  redis.call('ZREM', expiry, id)
  redis.call('UNLINK', spec .. id, job .. id, run .. id, logs .. id)
  emit(id, 'removed', nil, nil, 'deduplicated')
end

-- Whether a new job (its id does not exist) with such a key is to be added: nil if so, plainly; the id of the job whose place it has taken, and true; or
-- the id of the job that holds the key, false, and its state. The caller sets `keyed` in meta.
local function deduplicate(id, spec_bytes, options, own, now)
  local holder, state = holder_of(own.k, now)
  if not holder then
    take_key(id, own, now)
    return nil
  end
  if own.m == 'd' and state == 'delayed' and not has_started(holder) then
    take_out_delayed(holder)
    take_key(id, own, now)
    return holder, true
  end
  if own.m == 'l' and is_unfinished(state) and has_started(holder) then keep_aside(own.k, id, spec_bytes, options) end
  return holder, false, state
end

-- Adds the job that was kept aside; it has no key yet. Returns its id and its key's options, nothing when it is there already.
local function add_kept(aside, now)
  local id, options, spec_bytes = string.match(aside, '^([^\n]*)\n([^\n]*)\n(.*)$')
  if enqueue(id, spec_bytes, options, now, 'deduplication') then return id, decode(options).dd end
end

-- The job has finished: its key is free, but for a time that runs on; one that was kept aside is added, and has it next.
local function free_key(id, key, now)
  local holder, mode, free_at, aside = read_record(key)
  if holder ~= id then return end
  if aside then
    local next_id, own = add_kept(aside, now)
    redis.call('DEL', dedup .. key)
    if next_id then take_key(next_id, own, now) end
  elseif not (free_at and mode ~= 'u') then
    redis.call('DEL', dedup .. key)
  end
end

-- The job is removed: its key is free, and what was kept aside for it goes too.
local function drop_key(id, key)
  if read_record(key) == id then redis.call('DEL', dedup .. key) end
end

-- A job that is redriven has its key again unless another one has it, or the key was only for a time.
local function retake_key(id, own, now)
  if own.t or own.m == 'd' or holder_of(own.k, now) then return end
  take_key(id, own, now)
end
