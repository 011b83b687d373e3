-- DELAYED → WAITING.
-- KEYS: delayed, job*
-- USES: all_wait, events, batch, due
local function promote_due(now, most)
  local ids = due(delayed, now, most)
  if not ids[1] then return 0 end
  redis.call('ZREM', delayed, unpack(ids))
  local have_hashes = redis.call('EXISTS', unpack(all_keys(job, ids)))
  if have_hashes > 0 then
    for _, id in ipairs(ids) do
      if have_hashes == #ids or redis.call('EXISTS', job .. id) == 1 then redis.call('HSET', job .. id, 's', 'waiting') end
    end
  end
  local to_tail, options = {}, all_options_of(ids)
  for i, id in ipairs(ids) do to_tail[i] = { id, options[i] } end
  all_wait(to_tail)
  happened[#happened + 1] = 'promoted\twaiting\t\tdue'
  happened[#happened + 1] = ids
  return #ids
end
