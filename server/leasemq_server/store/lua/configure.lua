-- configure: changes fields of the queue's configuration: `config` is what scripts decide by, `config_proto` what callers set.
-- Compare-and-set on config_proto, so that two updates of different fields both stand. What a limit lets through now is told to those who wait.
-- KEYS: meta, shut
-- ARGV: now_ms, expected, config_proto, options
-- RETURNS: OK | CONFLICT
-- FLAGS: allow-oom
-- USES: wake, job, groups, group_scores, events
local MOST_LOOKED_AT = 5000 -- the others are when their windows end
local now = clock()

local function look_at_those_shut_by_time()
  local stale = {}
  for i, group in ipairs(redis.call('ZRANGEBYSCORE', shut, '-inf', '(' .. string.format('%d', SHUT), 'LIMIT', 0, MOST_LOOKED_AT)) do
    stale[2 * i - 1], stale[2 * i] = SHUT, group
  end
  for first = 1, #stale, 2000 do redis.call('ZADD', shut, unpack(stale, first, math.min(first + 1999, #stale))) end
end

if (redis.call('HGET', meta, 'config_proto') or '') ~= expected then return 'CONFLICT' end
local groups_had_limits = decode(redis.call('HGET', meta, 'config')).gd ~= nil
redis.call('HSET', meta, 'config', options, 'config_proto', config_proto)
local said = decode(options)
local rate = said.rl or {}
local was = redis.call('HMGET', meta, 'xa', 'rn', 'rd')
local changed = false
for i, limit in ipairs({ { 'xa', said.xa }, { 'rn', rate.n }, { 'rd', rate.d }, { 'mw', said.mw } }) do
  local field, value = limit[1], limit[2] and string.format('%d', limit[2])
  if value then redis.call('HSET', meta, field, value) else redis.call('HDEL', meta, field) end
  if i <= 3 and (was[i] or nil) ~= value then changed = true end
end
if not said.rl then redis.call('HDEL', meta, 'rw', 'rc') end
if said.gd or groups_had_limits then -- those that are shut are looked at again (tick.lua)
  redis.call('HINCRBY', meta, 'gg', 1)
  redis.call('HSET', meta, 'gx', 1)
  look_at_those_shut_by_time()
  changed = true
end
if changed then publish_wake(0) end
happened[1], happened[2] = 'configured', { '' }
-- INLINE: publish_events
return 'OK'
