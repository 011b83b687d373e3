-- complete: ACTIVE → COMPLETED if leased with this nonce. The result is stored, the retention applied. `kept` is nothing, or the content type, a newline and the result.
-- KEYS: meta, leases, completed, job*, spec*, run*
-- ARGV: now_ms
-- ITEMS: id, nonce, kept
-- RETURNS: one a job: {OK, state, run_ms, attempts left} | {LEASE_LOST}; then OUTBOX if it was written; nothing when all are completed and it was not
-- FLAGS: allow-oom
-- USES: job, wake, finish, plain, lease, slot, events, metrics
local COMPLETED = outcome('completed', 0, 0)
local now = clock()
local results, done, all_completed = {}, {}, true
local groups_of, of_groups = {}, {} -- the groups of jobs, and their ids
config()
local records, settled, plain, starts = {}, {}, {}, {}
local kept_as = string.format('\n%d', now)

for i, id in items() do plain[i] = run .. id end
records = redis.call('MGET', unpack(plain))
plain = {}

local function complete(id, nonce, kept)
  local record, reply = held(id, nonce, now)
  if not record then return reply end
  done[#done + 1] = id
  if record.options.g then groups_of[#groups_of + 1], of_groups[#of_groups + 1] = record.options.g, id end
  redis.call('HDEL', job .. id, 'cp')
  starts[record.start] = (starts[record.start] or 0) + 1
  local stop = string.find(kept, '\n', 1, true)
  finish(id, 'completed', now, record.options, record.awaited, stop and { 'r', string.sub(kept, stop + 1), 'rt', string.sub(kept, 1, stop - 1) } or {})
  return COMPLETED
end

for i, id, nonce, kept in items() do
  local reply = COMPLETED
  if records[i] and is_held_plainly(records[i], nonce) then
    if settled[id] == nil then -- else this batch has it twice
      settled[id] = true
      local tab = has_groups and string.find(records[i], '\t', 39, true)
      if tab then groups_of[#groups_of + 1], of_groups[#of_groups + 1] = string.sub(records[i], tab + 1), id end
      plain[#plain + 1] = id
      plain[#plain + 1] = 'c' .. string.sub(records[i], 2) .. kept_as .. (kept == '' and '' or '\n' .. kept)
    end
  else
    reply = complete(id, nonce, kept)
    if reply[1] ~= 'OK' or reply[2] ~= 'completed' then all_completed = false end
  end
  results[i] = reply
end

-- Of a large batch ten jobs stand for all: the times of jobs that were leased and completed together are much the same.
local every = math.max(1, math.floor(#plain / 20))
for i = 2, #plain, 2 * every do
  local start = string.sub(plain[i], 26, 38) -- a time in ms
  starts[start] = (starts[start] or 0) + math.min(every, (#plain - i) / 2 + 1)
end
for i = 1, #plain, 2 do done[#done + 1] = plain[i] end
finish_plainly(plain, now)
if #done > 0 then
  redis.call('ZREM', leases, unpack(done))
  if of_groups[1] then groups().leases_ended(groups_of, of_groups) end
  lease_ended()
  redis.call('HINCRBY', meta, 'completed', #done)
  file_finished()
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
