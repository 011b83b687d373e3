-- Whether a batch would make more waiting and delayed jobs than there may be. Ids that exist are no new jobs, nor is what a deduplication key leaves out.
-- KEYS: wait, behind, delayed, spec*
local function over_bound(max_waiting)
  local specs, seen, keyed = {}, {}, false
  for _, id, _, options in items() do
    if not seen[id] then specs[#specs + 1] = spec .. id end
    seen[id] = true
    keyed = keyed or string.find(options, '"dd":', 1, true)
  end
  local new = #specs - redis.call('EXISTS', unpack(specs))
  local room = new > 0 and max_waiting - redis.call('ZCARD', wait) - redis.call('ZCARD', behind) - redis.call('ZCARD', delayed) or 0
  if new <= room or not keyed then return new > room end
  -- INLINE: held_keys
  new, seen = 0, {}
  for _, id, _, options in items() do
    if not seen[id] and redis.call('EXISTS', spec .. id) == 0 then
      local out, replaces = left_out(options)
      if not out and not replaces then new = new + 1 end
    end
    seen[id] = true
  end
  return new > 0 and new > room
end
