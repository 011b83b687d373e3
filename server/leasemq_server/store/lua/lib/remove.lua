-- Removing jobs, and all that is kept of them.
-- KEYS: meta, purge, spec*, job*, run*, logs*, deps*, dependents*
-- USES: job, sets
local MOST_TRIMMED = 1000 -- by a call that finishes jobs

local function remove_all(ids)
  local gone = {}
  for _, id in ipairs(ids) do
    gone[#gone + 1] = spec .. id
    gone[#gone + 1] = job .. id
    gone[#gone + 1] = run .. id
    gone[#gone + 1] = logs .. id
  end
  if #gone > 0 then redis.call('UNLINK', unpack(gone)) end
  config()
  if not has_flows then return end
  for _, id in ipairs(ids) do
    redis.call('UNLINK', deps .. id)
    if redis.call('ZCOUNT', dependents .. id, 0, 0) == 0 then redis.call('UNLINK', dependents .. id) end -- else `told` does it
  end
end

-- Removes the oldest finished jobs of a state: `excess` of them, at most so many. Returns how many.
local function trim(state, excess, most)
  local popped, ids = redis.call('ZPOPMIN', SETS[state], math.min(excess, most)), {}
  for i = 1, #popped, 2 do ids[#ids + 1] = popped[i] end
  if redis.call('EXISTS', purge) == 1 then redis.call('ZREM', purge, unpack(ids)) end
  remove_all(ids)
  return #ids
end
