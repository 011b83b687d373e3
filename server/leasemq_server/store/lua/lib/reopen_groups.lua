-- Turns for groups whose rate window is over, or that were shut by limits that the queue no longer has.
-- KEYS: shut
-- USES: groups, due
local function reopen_groups(now, most)
  local names = due(shut, now, most)
  if not names[1] then names = redis.call('ZRANGEBYSCORE', shut, SHUT, '(' .. string.format('%d', SHUT + group_generation), 'LIMIT', 0, most) end
  for _, group in ipairs(names) do groups().reopen(group) end
  return #names
end
