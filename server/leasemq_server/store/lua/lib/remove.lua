-- Removing jobs, and all that is kept of them.
-- KEYS: meta, purge, spec*, job*, run*, logs*, deps*, needs*, dependents*
-- USES: job, sets
local MOST_TRIMMED = 1000 -- by a call that finishes jobs

-- A job with a plain record has no hash and no log: mostly nothing else is left of any.
local function remove_all(ids)
  local gone = {}
  for i = 1, #ids do gone[2 * i - 1], gone[2 * i] = spec .. ids[i], run .. ids[i] end
  if gone[1] and redis.call('UNLINK', unpack(gone)) < #gone then
    for i, id in ipairs(ids) do gone[2 * i - 1], gone[2 * i] = job .. id, logs .. id end
    redis.call('UNLINK', unpack(gone))
  end
  config()
  if not has_flows then return end
  for _, id in ipairs(ids) do
    redis.call('UNLINK', deps .. id, needs .. id)
    if redis.call('ZCOUNT', dependents .. id, 0, 0) == 0 then redis.call('UNLINK', dependents .. id) end -- else `told` does it
  end
end

-- Removes the oldest finished jobs of a state: `excess` of them, at most so many. Returns how many.
local function trim(state, excess, most)
  local last = math.min(excess, most) - 1
  local ids = redis.call('ZRANGE', SETS[state], 0, last)
  redis.call('ZREMRANGEBYRANK', SETS[state], 0, last)
  if redis.call('EXISTS', purge) == 1 then redis.call('ZREM', purge, unpack(ids)) end
  remove_all(ids)
  return #ids
end
