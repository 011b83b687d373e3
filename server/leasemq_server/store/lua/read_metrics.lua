-- read_metrics: what was counted in one hour.
-- KEYS: metrics*
-- ARGV: now_ms, hour
-- RETURNS: the hash, flat
-- FLAGS: no-writes
return redis.call('HGETALL', metrics .. hour)
