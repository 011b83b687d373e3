-- A dependent and its edges. `deps*` of a job holds an edge per dependency, "<policy><outcome>", and how many are pending. An end is noted once,
-- whoever tells of it and how often; one that is told before its edge exists is kept under the policy "?" until the edge comes, so that the order of
-- the two does not matter. Until the first end is told, the edges are text in `needs*`: to block a job costs no more than to store that.
-- KEYS: meta, blocked, deps*, needs*, job*
-- USES: job, edge_list
local function mark_flows()
  config()
  if has_flows then return end
  redis.call('HSET', meta, 'fl', 1)
  has_flows = '1'
end

-- What follows from an edge that is closed. `told` is "<outcome>", and for a result "\n<content type>\n<result>".
local function edge_closed(id, dependency, policy, told)
  local outcome = string.sub(told, 1, 1)
  if outcome == 'c' then return end
  if policy == 'i' then
    redis.call('HDEL', deps .. id, dependency)
  elseif policy == 'f' then
    redis.call('HSETNX', deps .. id, 'failed', outcome .. dependency)
  end
end

local function close_edge(id, dependency, policy, told)
  redis.call('HSET', deps .. id, dependency, policy .. told)
  edge_closed(id, dependency, policy, told)
end

-- Makes the edges of `needs*` those of `deps*`, the one on this dependency closed; returns whether it was among them.
local function unfold_edges(id, dependency, told)
  local text = redis.call('GET', needs .. id)
  if not text then return false end
  local list, policy = edges_in(text), nil
  for n = 1, #list, 2 do
    if list[n] == dependency then
      policy = string.sub(list[n + 1], 1, 1)
      list[n + 1] = policy .. told
    end
  end
  redis.call('HSET', deps .. id, 'pending', #list / 2 - (policy and 1 or 0), unpack(list))
  redis.call('UNLINK', needs .. id)
  if policy then edge_closed(id, dependency, policy, told) end
  return policy ~= nil
end

-- One that is there stays as it is. Returns whether none is, and so all are pending.
local function join_edges(id, edges)
  mark_flows()
  if redis.call('EXISTS', deps .. id) == 0 then
    redis.call('SET', needs .. id, edges)
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
