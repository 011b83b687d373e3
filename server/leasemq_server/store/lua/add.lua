-- add: nothing → WAITING or DELAYED, or BLOCKED until its dependencies are done.
-- An id that exists already changes nothing. All of the batch or, when the store or the queue is full, none of it.
-- With bounded 0 the max_waiting of queue and groups does not count: for what the server moves here itself.
-- KEYS: meta, wait, delayed, expiry, spec*, job*, dependents*
-- ARGV: now_ms, flows, bounded
-- ITEMS: id, spec_bytes, options
-- RETURNS: one a job: {created 0|1, state, run_ms, where its deduplication key was held: the id of the job that holds it now}; nothing when all are new and wait, one and ALL when that is of all of them; then OUTBOX if it was written | {QUEUE_FULL, max_waiting} or {GROUP_FULL, max_waiting, group} (nothing was added)
-- USES: job, wake, places, state_of, events, counts, outbox
local CREATED = { 1, 'waiting', '0' }
local now = clock()
local head = string.format('%d', now)
local soonest, expiring, first_expiry = nil, {}, nil

-- Most jobs of a batch have the same options, but for what is behind them: the group and the deduplication key are the second and third thing returned.
local decoded = {}
local same, own_of_same -- with what those begin that have a group or a key, up to it, and what it says
local find, sub = string.find, string.sub
local function decoded_options(options)
  if same and find(options, same, 1, true) == 1 then
    local at = #same + 1
    local tab = find(options, '\t', at, true)
    if tab == at then return own_of_same, nil, sub(options, at + 1) end -- no group
    return own_of_same, sub(options, at, (tab or 0) - 1), tab and sub(options, tab + 1)
  end
  local json, group, key = parts_of(options)
  local own = decoded[json]
  if not own then
    own = decode(json)
    own.starts_plainly = not (own.ru or own.de or own.tl or own.dp or own.p or own.l)
    decoded[json] = own
  end
  if group or key then same, own_of_same = json .. '\t', own end
  return own, group, key
end

-- When a job with such options is due, in ms.
local function start_of(own, now) return own.ru or own.de and now + own.de or 0 end

local _, of_queue = config('mw')
local max_waiting = bounded == '1' and of_queue[7]
if max_waiting then
  -- INLINE: bound
  if over_bound(tonumber(max_waiting)) then return { 'QUEUE_FULL', tonumber(max_waiting) } end
end
if bounded == '1' and groups_limited then
  -- INLINE: group_bound
  local group, most = group_over_bound()
  if group then return { 'GROUP_FULL', most, group } end
end

-- `flows` is '', or the edges of each job, in order, and "\r" behind them.
local join_flow, file_joined
local edge_records, all_new = {}, false
if flows ~= '' then
  -- INLINE: join
  join_flow, file_joined, edge_records = join, file_all, records
end

-- Most batches are of new ids, with new keys if any: they are stored by one command.
local keyed = false -- whether a job has a deduplication key
local own_of, group_of = {}, {} -- what the options of a batch of new keys say, by number
local function store_if_all_new()
  local pairs_of, n, seen, all_once = {}, 0, {}, true
  for _, id, spec_bytes, options in items() do
    all_once = all_once and not seen[id]
    seen[id] = true
    pairs_of[n + 1] = spec .. id
    if options == '' then
      pairs_of[n + 2] = head .. '\n' .. spec_bytes
    else
      pairs_of[n + 2] = head .. ' ' .. options .. '\n' .. spec_bytes
      keyed = keyed or string.find(options, '"dd":', 1, true)
    end
    n = n + 2
  end
  if not all_once then return false end
  for at = 1, #edge_records do pairs_of[n + at] = edge_records[at] end
  local staying = {}
  if keyed then
    -- INLINE: new_keys
    staying = add_records(pairs_of)
    if not staying then return false end
  end
  if redis.call('MSETNX', unpack(pairs_of)) == 0 then return false end
  for record, ms in pairs(staying) do redis.call('PEXPIRE', record, ms) end
  return true
end
all_new = store_if_all_new()

-- Whether some of the ids were registered before they are here: they must tell their end, so their life is not plain.
local function some_are_awaited()
  local lists = {}
  for i, id in items() do lists[i] = dependents .. id end
  return redis.call('EXISTS', unpack(lists)) > 0
end
local awaited = has_flows and some_are_awaited()

local function store_if_new(id, spec_bytes, options)
  if options ~= '' then options = ' ' .. options end
  return redis.call('SET', spec .. id, head .. options .. '\n' .. spec_bytes, 'NX')
end

local waiting, delaying, not_added, now_waiting = {}, {}, {}, 0 -- what is to be told of the batch
local function told(head, ids)
  if not ids[1] then return end
  happened[#happened + 1] = head
  happened[#happened + 1] = ids
end

local function tell_all()
  told('added\twaiting', waiting)
  told('added\tdelayed', delaying)
  for i = 1, #not_added, 2 do told(not_added[i], not_added[i + 1]) end
end

local function leave_out(id, kind)
  local n = #not_added
  if not_added[n - 1] ~= kind then
    n = n + 2
    not_added[n - 1], not_added[n] = kind, {}
  end
  local ids = not_added[n]
  ids[#ids + 1] = id
end

local twins = {} -- what was answered for the jobs that this batch has added
local by_key -- what to answer for a job that is not to be added because of its key; else, whether it takes the place of another
if keyed then redis.call('HSET', meta, 'keyed', 1) end
if keyed and not all_new then
  -- INLINE: dedup
  local specs = {}
  for _, id, _, options in items() do
    if select(3, decoded_options(options)) then specs[#specs + 1] = spec .. id end
  end
  local all_ids_new = redis.call('EXISTS', unpack(specs)) == 0

  by_key = function(id, spec_bytes, options, own)
    if (twins[id] or not all_ids_new) and redis.call('EXISTS', spec .. id) == 1 then return nil end
    if own.m == 'd' then -- a job of this batch may be taken out again: it was added before
      tell_all()
      waiting, delaying, not_added, now_waiting = {}, {}, {}, 0
    end
    local holder, replaced, state = deduplicate(id, spec_bytes, options, own, now)
    if holder and not replaced then return { 0, state or '', state == 'delayed' and redis.call('ZSCORE', delayed, holder) or '0', holder } end
    return nil, replaced
  end
end

local results, to_wait, to_delay = {}, {}, {}
local all_the_same = true -- whether the answer is the same for all
local due = {} -- the answer for jobs that are due at a time: most of a batch have the same
local groups_of, of_groups, their_scores = {}, {}, {}
local added, tail, plainly = 0, nil, true

for i, id, spec_bytes, options in items() do
  local own, group, key, kept, replaces
  if keyed and all_new then
    own, group = own_of[i], group_of[i]
  elseif options ~= '' then
    own, group, key = decoded_options(options)
  end
  if key and not all_new then kept, replaces = by_key(id, spec_bytes, options, { k = key, m = own.dd.m, t = own.dd.t }) end
  if own and own.starts_plainly then own = nil end -- nothing that it says is of the start
  if kept then
    results[i] = kept
    leave_out(kept[4], 'deduplicated')
    plainly = false
  elseif not all_new and not store_if_new(id, spec_bytes, options) then
    local twin = twins[id] -- of this batch: it is in no set yet
    local state = twin and twin[2] or state_of(id)
    results[i] = { 0, state, twin and twin[3] or state == 'delayed' and redis.call('ZSCORE', delayed, id) or '0' }
    plainly = false
    leave_out(id, 'duplicated')
  else
    added = added + 1
    if awaited and redis.call('EXISTS', dependents .. id) == 1 then
      redis.call('PERSIST', dependents .. id)
      redis.call('HSET', job .. id, 'dn', 1)
    end
    local ms = own and start_of(own, now) or 0
    local joined = join_flow and own and own.dp and join_flow(i, id, own, now)
    if own and own.tl and key and not all_new then -- at once, as its place in `delayed` below
      wake_at(expiry, now + own.tl)
      redis.call('ZADD', expiry, now + own.tl, id)
    elseif own and own.tl and not (joined and joined[2] == 'failed') then
      expiring[#expiring + 1] = now + own.tl
      expiring[#expiring + 1] = id
      first_expiry = math.min(first_expiry or now + own.tl, now + own.tl)
    end
    if joined then
      results[i] = joined
      plainly = false
    elseif ms > now then
      -- the fraction keeps the order within a batch; due times are compared as whole milliseconds
      local score = string.format('%d.%03d', ms, i - 1)
      if key and not all_new then -- at once: the next job of the batch may take its place
        wake_at(delayed, ms)
        redis.call('ZADD', delayed, score, id)
      else
        to_delay[#to_delay + 1] = score
        to_delay[#to_delay + 1] = id
        soonest = math.min(soonest or ms, ms)
      end
      delaying[#delaying + 1] = id
      due[ms] = due[ms] or { 1, 'delayed', string.format('%d', ms) }
      results[i] = replaces and { 1, 'delayed', due[ms][3], id } or due[ms]
      plainly = false
    else
      local score
      if own and (own.p or own.l) then
        score = own.l and head_score(own.p or 0, 1) or tail_score(own.p or 0, 1)
      else
        tail = tail and tail + 1 or tail_score(0, item_count)
        score = tail
      end
      if group then
        local n = #of_groups + 1
        groups_of[n], of_groups[n], their_scores[n] = group, id, score
      else
        local n = #to_wait
        to_wait[n + 1], to_wait[n + 2] = score, id
      end
      now_waiting = now_waiting + 1
      waiting[now_waiting] = id
      results[i] = CREATED
    end
    if not all_new then twins[id] = results[i] end
  end
  all_the_same = all_the_same and results[i] == results[1]
end

if #expiring > 0 then
  wake_at(expiry, first_expiry)
  redis.call('ZADD', expiry, unpack(expiring))
end
if #to_wait > 0 then
  wake_if_first()
  redis.call('ZADD', wait, unpack(to_wait))
end
if of_groups[1] then
  -- INLINE: groups
  groups().join(groups_of, of_groups, their_scores)
end
if #to_delay > 0 then
  wake_at(delayed, soonest)
  redis.call('ZADD', delayed, unpack(to_delay))
end
if added > 0 then redis.call('HINCRBY', meta, 'added', added) end
tell_all()
if join_flow then file_joined() end
-- INLINE: publish_events
-- INLINE: publish_metrics
if all_the_same then results = plainly and {} or { results[1], 'ALL' } end
if outbox_written > 0 then results[#results + 1] = 'OUTBOX' end
return results
