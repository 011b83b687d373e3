-- For `add`: whether a batch would make more waiting jobs of a group than there may be. Ids that exist are no new jobs; those with a start time to come do not wait yet.
-- KEYS: heads, spec*, line*
-- USES: groups
local function group_over_bound()
  local now, new_of, seen = clock(), {}, {}
  for _, id, _, options in items() do
    local own, group = decoded_options(options)
    local at_once = group and start_of(own, now) <= now
    local most = at_once and not seen[id] and (groups().rules_of(group) or {}).mw
    seen[id] = true
    if most and redis.call('EXISTS', spec .. id) == 0 then
      new_of[group] = (new_of[group] or redis.call('HEXISTS', heads, group) + redis.call('ZCARD', line .. group)) + 1
      if new_of[group] > most then return group, most end
    end
  end
end
