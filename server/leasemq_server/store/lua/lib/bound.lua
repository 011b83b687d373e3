-- Whether a batch would make more waiting and delayed jobs than there may be. Ids that exist are no new jobs.
-- KEYS: wait, behind, delayed, spec*
local function over_bound(max_waiting)
  local specs, seen = {}, {}
  for _, id in items() do
    if not seen[id] then specs[#specs + 1] = spec .. id end
    seen[id] = true
  end
  local new = #specs - redis.call('EXISTS', unpack(specs))
  return new > 0 and redis.call('ZCARD', wait) + redis.call('ZCARD', behind) + redis.call('ZCARD', delayed) + new > max_waiting
end
