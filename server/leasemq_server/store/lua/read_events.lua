-- read_events: the next entries that hold events after a number, oldest first.
-- KEYS: meta, events
-- ARGV: now_ms, after, max_entries
-- RETURNS: {the number of the newest event or 0, a list of {entry id, {field, value, ...}}}
-- FLAGS: no-writes
local newest = tonumber(redis.call('HGET', meta, 'events') or 0)
return { newest, redis.call('XRANGE', events, string.format('%d', after + 1), '+', 'COUNT', max_entries) }
