-- read_groups: groups as they are, in one consistent look.
-- KEYS: heads, group_leases, group_rules, line*
-- ARGV: now_ms
-- ITEMS: group
-- RETURNS: one a group: {waiting, active, config_proto}
-- FLAGS: no-writes
local results = {}
for i, group in items() do
  local rules = redis.call('HGET', group_rules, group) or '\n'
  results[i] = {
    redis.call('HEXISTS', heads, group) + redis.call('ZCARD', line .. group),
    redis.call('ZLEXCOUNT', group_leases, '[' .. group .. '\n', '(' .. group .. '\v'),
    string.sub(rules, string.find(rules, '\n', 1, true) + 1),
  }
end
return results
