-- WAITING, DELAYED or BLOCKED → FAILED for jobs that were not started within their ttl.
-- KEYS: wait, delayed, blocked, expiry, job*
-- USES: groups, bury, failure, batch, due

local left_delayed = false -- whether one of them was delayed

-- Takes jobs out of where they are before their start, and returns those that were there.
local function taken_unstarted(ids)
  if #ids == 1 and not has_groups then
    for _, set in ipairs({ wait, delayed, blocked }) do
      if redis.call('ZREM', set, ids[1]) == 1 then
        left_delayed = set == delayed
        return ids
      end
    end
    return {}
  end
  local is_there, taken = {}, {}
  for i, options in ipairs(has_groups and all_options_of(ids) or {}) do
    if options.g then is_there[i] = groups().leave(options.g, ids[i]) end
  end
  for _, set in ipairs({ wait, delayed, blocked }) do
    local of_set = {}
    for i, score in ipairs(redis.call('ZMSCORE', set, unpack(ids))) do
      if score then
        is_there[i] = true
        of_set[#of_set + 1] = ids[i]
      end
    end
    if of_set[1] then
      redis.call('ZREM', set, unpack(of_set))
      left_delayed = left_delayed or set == delayed
    end
  end
  for i, id in ipairs(ids) do
    if is_there[i] then taken[#taken + 1] = id end
  end
  return taken
end

local function expire_unstarted(now, most)
  local due_ids = due(expiry, now, most)
  if not due_ids[1] then return 0 end
  redis.call('ZREM', expiry, unpack(due_ids))
  local ids = taken_unstarted(due_ids)
  if not ids[1] then return #due_ids end
  local failure = failure_json('EXPIRED', 'not started within its ttl', 0, now, '')
  local have_hashes, options, blobs = redis.call('EXISTS', unpack(all_keys(job, ids))) > 0, all_options_of(ids)
  for i, id in ipairs(ids) do
    local h = have_hashes and redis.call('HMGET', job .. id, 'f', 'fc', 'aw') or {}
    local fields = { 'f', with_failure(h[1], failure), 'fc', tonumber(h[2] or 0) + 1 }
    bury(id, options[i], now, { awaited = h[3], reason = 'not started within its ttl', blob = blobs[i] }, failure, fields)
  end
  unexpiring = {} -- they are out of it
  return #due_ids
end
