-- For `add`: whether a batch would make more waiting jobs of a group than there may be. Ids that exist are no new jobs, nor is what a deduplication key leaves
-- out; those with a start time to come do not wait yet.
-- KEYS: heads, spec*, line*
-- USES: groups
local function first_over_bound(leaves_out)
  local now, new_of, seen = clock(), {}, {}
  for _, id, _, options in items() do
    local own, group = decoded_options(options)
    local at_once = group and start_of(own, now) <= now
    local most = at_once and not seen[id] and (groups().rules_of(group) or {}).mw
    local new = not seen[id] and (most or leaves_out) and redis.call('EXISTS', spec .. id) == 0
    seen[id] = true
    if new and not (leaves_out and leaves_out(options)) and most then
      new_of[group] = (new_of[group] or redis.call('HEXISTS', heads, group) + redis.call('ZCARD', line .. group)) + 1
      if new_of[group] > most then return group, most end
    end
  end
end

local function group_over_bound()
  local group, most = first_over_bound()
  if not group then return nil end
  local keyed = false
  for _, _, _, options in items() do keyed = keyed or string.find(options, '"dd":', 1, true) end
  if not keyed then return group, most end
  -- INLINE: held_keys
  return first_over_bound(left_out)
end
