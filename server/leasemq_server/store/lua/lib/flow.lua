-- The dependent's side of a dependency. `deps*` of a job holds an edge per dependency, "<policy><outcome>", and how many are pending. An end is noted once,
-- whoever tells of it and how often; one that is told before its edge exists is kept under the policy "?" until the edge comes, so that the order of
-- the two does not matter.
-- KEYS: meta, wait, delayed, blocked, deps*, spec*, job*
-- USES: job, wake, order, finish, retry, emit
local OUTCOMES = { completed = 'c', failed = 'f', cancelled = 'x', deleted = 'd' }
local ENDED = { c = 'completed', f = 'failed', x = 'was cancelled', d = 'was deleted' }
local UNCLAIMED_MS = 3600000 -- how long an end is kept for a dependent that is not there (yet)

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

local function note_end(id, dependency, told)
  local edge = redis.call('HGET', deps .. id, dependency)
  if not edge then
    redis.call('HSET', deps .. id, dependency, '?' .. told)
    if redis.call('EXISTS', spec .. id) == 0 then
      redis.call('PEXPIRE', deps .. id, UNCLAIMED_MS)
    else
      redis.call('HSET', meta, 'fl', 1)
    end
    return
  end
  if string.sub(edge, 2, 2) ~= 'p' then return end
  close_edge(id, dependency, string.sub(edge, 1, 1), told)
  redis.call('HINCRBY', deps .. id, 'pending', -1)
end

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
  local fields = edges_in(edges)
  redis.call('HSET', deps .. id, 'pending', #fields / 2, unpack(fields))
end

-- The same for a job that may have some: one that is there stays as it is. Returns whether all are new, and so pending.
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

local function fail_for_dependency(id, failed, now)
  local h = redis.call('HMGET', job .. id, 'f', 'fc', 'aw', 'a')
  local message = 'the dependency ' .. string.sub(failed, 2) .. ' ' .. ENDED[string.sub(failed, 1, 1)]
  local failure = failure_json('DEPENDENCY', message, tonumber(h[4] or 0), now, '')
  bury(id, options_of(id), now, { awaited = h[3], reason = message }, failure, { 'f', with_failure(h[1], failure), 'fc', tonumber(h[2] or 0) + 1 })
end

-- `st` is "+<ms>", a delay from now, or a time in ms.
local function start(id, now)
  local h = redis.call('HMGET', job .. id, 's', 'st')
  local known, said, run_ms = h[1], h[2], 0
  if said then
    redis.call('HDEL', job .. id, 'st')
    run_ms = string.sub(said, 1, 1) == '+' and now + tonumber(string.sub(said, 2)) or tonumber(said)
  end
  if run_ms > now then
    redis.call('HSET', job .. id, 's', 'delayed')
    delay_until(id, run_ms)
    emit(id, 'unblocked', 'delayed')
    return 'delayed', run_ms
  end
  if known then redis.call('HSET', job .. id, 's', 'waiting') end
  wait_at_tail(id, options_of(id))
  emit(id, 'unblocked', 'waiting')
  return 'waiting', 0
end

-- BLOCKED → FAILED when a dependency says so, WAITING or DELAYED when none is pending; else it stays. Returns the state and, if delayed, until when.
local function go_on(id, now)
  local h = redis.call('HMGET', deps .. id, 'failed', 'pending')
  if not h[1] and tonumber(h[2] or 0) > 0 then return 'blocked', 0 end
  redis.call('ZREM', blocked, id)
  if h[1] then
    fail_for_dependency(id, h[1], now)
    return 'failed', 0
  end
  return start(id, now)
end

local function block(id, now)
  redis.call('ZADD', blocked, now, id)
  redis.call('HSET', job .. id, 's', 'blocked')
end
