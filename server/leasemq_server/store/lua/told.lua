-- told: marks dependents that know of a job's end. When all do and the job is gone, so is the list.
-- KEYS: meta, dependents*, spec*
-- ARGV: now_ms
-- ITEMS: id, dependent
-- RETURNS: {OK}
-- FLAGS: allow-oom
for _, id, dependent in items() do
  redis.call('ZADD', dependents .. id, 'XX', 1, dependent)
  if redis.call('EXISTS', spec .. id) == 0 and redis.call('ZCOUNT', dependents .. id, 0, 0) == 0 then redis.call('UNLINK', dependents .. id) end
end
return { 'OK' }
