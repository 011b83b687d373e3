-- complete: ACTIVE → COMPLETED if leased with this nonce. The result is stored, the retention applied. `kept` is nothing, or the content type, a newline and the result.
-- KEYS: meta, leases, completed, job*, spec*, run*
-- ARGV: now_ms
-- ITEMS: id, nonce, kept
-- RETURNS: one a job: {OK, state, run_ms, attempts left} | {LEASE_LOST}; then OUTBOX if it was written; nothing when all are completed and it was not
-- FLAGS: allow-oom
-- USES: job, held_plainly, retention, events, metrics, outbox
local COMPLETED = { 'OK', 'completed', '0', 0 }
local now = clock()
local results, done, all_completed = {}, {}, true
local groups_of, of_groups = {}, {} -- the groups of jobs, and their ids
config()
local runs, settled, starts = {}, {}, {}
local plain, plain_ids = {}, {} -- what is to be stored of jobs with a plain record, and their ids
local kept_as = string.format('\n%d', now)
local complete_by_hash, file_by_hash -- made when the first job is met that has more than a plain record

for i, id in items() do runs[i] = run .. id end
local records = redis.call('MGET', unpack(runs))

for i, id, nonce, kept in items() do
  local reply = COMPLETED
  if records[i] and is_held_plainly(records[i], nonce) then
    if settled[id] == nil then -- else this batch has it twice
      settled[id] = true
      local tab = has_groups and string.find(records[i], '\t', 39, true)
      if tab then groups_of[#groups_of + 1], of_groups[#of_groups + 1] = string.sub(records[i], tab + 1), id end
      local n = #plain_ids + 1
      plain_ids[n] = id
      plain[2 * n - 1], plain[2 * n] = runs[i], 'c' .. string.sub(records[i], 2) .. kept_as .. (kept == '' and '' or '\n' .. kept)
    end
  else
    if not complete_by_hash then
      -- INLINE: complete_by_hash
      complete_by_hash, file_by_hash = complete, file_finished
    end
    reply = complete_by_hash(id, nonce, kept)
    if reply[1] ~= 'OK' or reply[2] ~= 'completed' then all_completed = false end
  end
  results[i] = reply
end

if plain[1] then
  -- Of a large batch ten jobs stand for all: the times of jobs that were leased and completed together are much the same.
  local every = math.max(1, math.floor(#plain / 20))
  for i = 2, #plain, 2 * every do
    local start = string.sub(plain[i], 26, 38) -- a time in ms
    starts[start] = (starts[start] or 0) + math.min(every, (#plain - i) / 2 + 1)
  end
  local age, count = retention({}, 'completed')
  local excess, set = 0, {}
  local before = #done
  for i = 1, #plain_ids do
    done[before + i], set[2 * i - 1], set[2 * i] = plain_ids[i], now, plain_ids[i]
  end
  local at_once = age == 0 or count == 0
  if not at_once then
    redis.call('MSET', unpack(plain))
    redis.call('ZADD', completed, unpack(set))
    excess = count and redis.call('ZCARD', completed) - count or 0
  end
  if at_once or excess > 0 then
    -- INLINE: remove
    if at_once then
      remove_all(plain_ids)
    else
      trim('completed', excess, MOST_TRIMMED)
    end
  end
end
if done[1] then
  redis.call('ZREM', leases, unpack(done))
  if of_groups[1] then
    -- INLINE: groups
    groups().leases_ended(groups_of, of_groups)
  end
  if was_full then
    -- INLINE: slot
    lease_ended()
  end
  redis.call('HINCRBY', meta, 'completed', #done)
  if file_by_hash then file_by_hash() end
  table.insert(happened, 1, done) -- before what their ends have let through
  table.insert(happened, 1, 'completed')
  for start, n in pairs(starts) do count_time('r', now - start, n) end
end
-- INLINE: publish_events
-- INLINE: publish_metrics
if outbox_written > 0 then
  results[#results + 1] = 'OUTBOX'
  return results
end
return all_completed and {} or results
