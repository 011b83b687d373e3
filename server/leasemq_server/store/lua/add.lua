-- add: nothing → WAITING or DELAYED, or BLOCKED until its dependencies are done.
-- An id that exists already changes nothing. All of the batch or, when the store or the queue is full, none of it.
-- With bounded 0 the queue's max_waiting does not count: for what the server moves here itself.
-- KEYS: meta, wait, delayed, expiry, spec*, job*
-- ARGV: now_ms, flows, bounded
-- ITEMS: id, spec_bytes, options, delay_ms, run_ms
-- RETURNS: one a job: {created 0|1, state, run_ms}; nothing when all are new and wait; then OUTBOX if it was written | {QUEUE_FULL, max_waiting} (nothing was added)
-- USES: job, wake, order, events, counts
local CREATED = { 1, 'waiting', '0' }
local now = clock()
local head = string.format('%.0f', now)
local soonest, expiring, first_expiry = nil, {}, nil

-- Most batches are of new ids: they are stored by one command.
local function store_if_all_new()
  local pairs_of, n, seen = {}, 0, {}
  for _, id, spec_bytes, options in items() do
    if seen[id] then return false end
    seen[id] = true
    pairs_of[n + 1] = spec .. id
    pairs_of[n + 2] = options == '' and head .. '\n' .. spec_bytes or head .. ' ' .. options .. '\n' .. spec_bytes
    n = n + 2
  end
  return redis.call('MSETNX', unpack(pairs_of)) == 1
end

local max_waiting = bounded == '1' and redis.call('HGET', meta, 'mw')
if max_waiting then
  -- INLINE: bound
  if over_bound(tonumber(max_waiting)) then return { 'QUEUE_FULL', tonumber(max_waiting) } end
end
local all_new = store_if_all_new()

local function store_if_new(id, spec_bytes, options)
  if options ~= '' then options = ' ' .. options end
  return redis.call('SET', spec .. id, head .. options .. '\n' .. spec_bytes, 'NX')
end

-- Most jobs of a batch have the same options.
local decoded = {}
local function decoded_options(options)
  if options == '' then return nil end
  decoded[options] = decoded[options] or cjson.decode(options)
  return decoded[options]
end

local results, to_wait, to_delay, twins = {}, {}, {}, {}
local waiting, delaying, duplicates, now_waiting = {}, {}, {}, 0
local added, tail, plainly = 0, nil, true

-- `flows` is '', or JSON by job id: a list of [dependency, policy], empty when only others depend on it.
local join_flow, file_joined
if flows ~= '' then
  -- INLINE: join
  join_flow, file_joined = join, file_all
end

for i, id, spec_bytes, options, delay_ms, run_ms in items() do
  if not all_new and not store_if_new(id, spec_bytes, options) then
    local twin = twins[id] -- of this batch: it is in no set yet
    local state = twin and twin[2] or state_of(id)
    results[i] = { 0, state, twin and twin[3] or state == 'delayed' and redis.call('ZSCORE', delayed, id) or '0' }
    plainly = false
    duplicates[#duplicates + 1] = id
  else
    added = added + 1
    local own = decoded_options(options)
    local ms = delay_ms ~= '' and now + tonumber(delay_ms) or run_ms ~= '' and tonumber(run_ms) or 0
    local joined = join_flow and own and own.dp and join_flow(id, delay_ms, run_ms, now)
    if own and own.tl and not (joined and joined[2] == 'failed') then
      expiring[#expiring + 1] = now + own.tl
      expiring[#expiring + 1] = id
      first_expiry = math.min(first_expiry or now + own.tl, now + own.tl)
    end
    if joined then
      results[i] = joined
      plainly = false
    elseif ms > now then
      -- the fraction keeps the order within a batch; due times are compared as whole milliseconds
      to_delay[#to_delay + 1] = string.format('%.4f', ms + (i - 1) / 1024)
      to_delay[#to_delay + 1] = id
      delaying[#delaying + 1] = id
      soonest = math.min(soonest or ms, ms)
      results[i] = { 1, 'delayed', string.format('%.0f', ms) }
      plainly = false
    else
      local score
      if own and (own.p or own.l) then
        score = own.l and head_score(own.p or 0) or tail_score(own.p or 0, 1)
      else
        tail = tail and tail + 1 or tail_score(0, item_count)
        score = tail
      end
      to_wait[#to_wait + 1] = score
      to_wait[#to_wait + 1] = id
      now_waiting = now_waiting + 1
      waiting[now_waiting] = id
      results[i] = CREATED
    end
    if not all_new then twins[id] = results[i] end
  end
end

if #expiring > 0 then
  wake_at(expiry, first_expiry)
  redis.call('ZADD', expiry, unpack(expiring))
end
if #to_wait > 0 then
  wake_if_first()
  redis.call('ZADD', wait, unpack(to_wait))
end
if #to_delay > 0 then
  wake_at(delayed, soonest)
  redis.call('ZADD', delayed, unpack(to_delay))
end
if added > 0 then redis.call('HINCRBY', meta, 'added', added) end
local function told(head, ids)
  if not ids[1] then return end
  happened[#happened + 1] = head
  happened[#happened + 1] = ids
end
told('added\twaiting', waiting)
if not plainly then
  told('added\tdelayed', delaying)
  told('duplicated', duplicates)
end
local outbox_used = join_flow and file_joined()
-- INLINE: publish_events
-- INLINE: publish_metrics
if outbox_used then
  results[#results + 1] = 'OUTBOX'
  return results
end
return plainly and {} or results
