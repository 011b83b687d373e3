-- configure: changes fields of the queue's configuration: `config` is what scripts decide by, `config_proto` what callers set.
-- Compare-and-set on config_proto, so that two updates of different fields both stand.
-- KEYS: meta
-- ARGV: now_ms, expected, config_proto, options
-- RETURNS: OK | CONFLICT
-- FLAGS: allow-oom
-- USES: job, events
local now = clock()
if (redis.call('HGET', meta, 'config_proto') or '') ~= expected then return 'CONFLICT' end
redis.call('HSET', meta, 'config', options, 'config_proto', config_proto)
happened[1], happened[2] = 'configured', { '' }
-- INLINE: publish_events
return 'OK'
