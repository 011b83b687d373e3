-- The functions of lib/turns.lua, made when the first job of a group is met.
-- KEYS: wait
-- USES: job, wake, group_scores
local groups_made
local function groups()
  if groups_made then return groups_made end
  -- INLINE: turns
  groups_made = { join = join, leave = leave, leases_ended = leases_ended, reopen = reopen, reconsider = reconsider, rules_of = rules_of, read_rules = read_rules, room_of = room_of, window_of = window_of, shut_group = shut_group, take_turns = take_turns, next_in_line = next_in_line, head_record = head_record, some_have_lines = some_have_lines }
  return groups_made
end

-- Takes a job out of those that wait; returns whether it was among them.
local function stop_waiting(id, options)
  if options.g then return groups().leave(options.g, id) end
  return redis.call('ZREM', wait, id) == 1
end
