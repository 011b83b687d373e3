-- configure_group: gives a group settings of its own: `options` is what scripts decide by, `config_proto` what callers set; '' takes them away.
-- Compare-and-set on config_proto, so that two updates of different fields both stand. What they let through now takes its turn, what they don't is held back.
-- KEYS: meta, group_rules
-- ARGV: now_ms, group, expected, config_proto, options
-- RETURNS: OK | CONFLICT
-- FLAGS: allow-oom
-- USES: job, wake, groups, events
local now = clock()
local kept = redis.call('HGET', group_rules, group) or '\n'
local stop = string.find(kept, '\n', 1, true)
if string.sub(kept, stop + 1) ~= expected then return 'CONFLICT' end
local was_paused, is_paused = decode(string.sub(kept, 1, stop - 1)).p, decode(options).p
if config_proto == '' then
  redis.call('HDEL', group_rules, group)
else
  redis.call('HSET', group_rules, group, options .. '\n' .. config_proto)
end
redis.call('HSET', meta, 'gx', 1)
groups().reconsider(group)
local kind = was_paused == is_paused and 'configured' or is_paused and 'paused' or 'resumed'
happened[1], happened[2] = 'group_' .. kind .. '\t\t\t' .. group, { '' }
-- INLINE: publish_events
return 'OK'
