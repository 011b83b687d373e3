-- How `complete` completes jobs that have more than a plain record: those that were touched before, or have options that outlive the lease.
-- KEYS: job*
-- USES: job, lease, finish
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
