-- What the ends of dependencies mean to a dependent (lib/edges.lua).
-- KEYS: meta, wait, delayed, blocked, deps*, needs*, spec*, job*
-- USES: job, order, emit, options_of, bury, failure, edges
local OUTCOMES = { completed = 'c', failed = 'f', cancelled = 'x', deleted = 'd' }
local ENDED = { c = 'completed', f = 'failed', x = 'was cancelled', d = 'was deleted' }
local UNCLAIMED_MS = 3600000 -- how long an end is kept for a dependent that is not there (yet)

local function note_end(id, dependency, told)
  local edge = redis.call('HGET', deps .. id, dependency)
  if not edge then
    if unfold_edges(id, dependency, told) then return end
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
