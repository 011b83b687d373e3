-- A dependent and its edges. `deps*` of a job holds an edge per dependency, "<policy><outcome>", and how many are pending. An end is noted once,
-- whoever tells of it and how often; one that is told before its edge exists is kept under the policy "?" until the edge comes, so that the order of
-- the two does not matter.
-- KEYS: meta, blocked, deps*, job*
-- USES: job
local function mark_flows()
  config()
  if has_flows then return end
  redis.call('HSET', meta, 'fl', 1)
  has_flows = '1'
end

-- `edges` is text: "<dependency>\t<policy>p\n" of each, each dependency once. Returns a list: a dependency, its edge while it is pending, the next dependency, ...
-- It is cut by plain finds: a pattern costs some hundred instructions a character.
local function edges_in(text)
  local list, n, at = {}, 0, 1
  while at <= #text do
    local tab = string.find(text, '\t', at, true)
    list[n + 1], list[n + 2] = string.sub(text, at, tab - 1), string.sub(text, tab + 1, tab + 2)
    n, at = n + 2, tab + 4
  end
  return list
end

-- The edges of a job that has none yet, all pending.
local function start_edges(id, edges)
  local tab = string.find(edges, '\t', 1, true)
  if tab + 3 == #edges then -- most have one
    redis.call('HSET', deps .. id, 'pending', 1, string.sub(edges, 1, tab - 1), string.sub(edges, tab + 1, tab + 2))
  else
    local fields = edges_in(edges)
    redis.call('HSET', deps .. id, 'pending', #fields / 2, unpack(fields))
  end
end

-- `told` is "<outcome>", and for a result "\n<content type>\n<result>".
local function close_edge(id, dependency, policy, told)
  local went_well = string.sub(told, 1, 1) == 'c'
  if policy == 'i' and not went_well then
    redis.call('HDEL', deps .. id, dependency)
  else
    redis.call('HSET', deps .. id, dependency, policy .. told)
  end
  if policy == 'f' and not went_well then redis.call('HSETNX', deps .. id, 'failed', string.sub(told, 1, 1) .. dependency) end
end

-- As start_edges(), for a job that may have some: one that is there stays as it is. Returns whether all are new, and so pending.
local function join_edges(id, edges)
  mark_flows()
  if redis.call('EXISTS', deps .. id) == 0 then
    start_edges(id, edges)
    return true
  end
  redis.call('PERSIST', deps .. id)
  local pending = 0
  local list = edges_in(edges)
  for n = 1, #list, 2 do
    local dependency, pending_edge = list[n], list[n + 1]
    local edge = redis.call('HGET', deps .. id, dependency)
    if not edge then
      redis.call('HSET', deps .. id, dependency, pending_edge)
      pending = pending + 1
    elseif string.sub(edge, 1, 1) == '?' then
      close_edge(id, dependency, string.sub(pending_edge, 1, 1), string.sub(edge, 2))
    end
  end
  if pending > 0 then redis.call('HINCRBY', deps .. id, 'pending', pending) end
  return false
end

local function block(id, now)
  redis.call('ZADD', blocked, now, id)
  redis.call('HSET', job .. id, 's', 'blocked')
end
