-- drain: removes jobs of one state, the first ones, at most max_jobs.
-- KEYS: meta, wait, behind, heads, shut, line*, delayed, expiry, outbox, spec*, job*, logs*, dependents*
-- ARGV: now_ms, state, max_jobs
-- RETURNS: {jobs removed, 1 if there are more, outbox entries written}
-- FLAGS: allow-oom
-- USES: job, wake, outbox, emit, options_of, remove
local now = clock()
local ids = {}
config()

-- Takes out the first jobs of a set, until there are as many as there may be.
local function take_from(set)
  local popped = redis.call('ZPOPMIN', set, tonumber(max_jobs) - #ids)
  for i = 1, #popped, 2 do ids[#ids + 1] = popped[i] end
end

-- Those behind their group's head first, so that no other has to take the place of a head.
local function take_out_of_groups()
  take_from(behind)
  for _, id in ipairs(ids) do
    local group = options_of(id).g
    redis.call('ZREM', line .. group, id)
    if redis.call('EXISTS', line .. group) == 0 then redis.call('ZREM', shut, group) end
  end
  local so_far = #ids
  take_from(wait)
  for i = so_far + 1, #ids do
    local group = options_of(ids[i]).g
    if group then redis.call('HDEL', heads, group) end
  end
end

if state == 'delayed' then
  take_from(delayed)
elseif has_groups then
  take_out_of_groups()
else
  take_from(wait)
end
for _, id in ipairs(ids) do
  emit(id, 'removed', nil, nil, 'drained')
  if has_flows and redis.call('EXISTS', dependents .. id) == 1 then
    redis.call('XADD', outbox, '*', 'kind', 'ended', 'id', id, 'state', 'deleted', 'result', '', 'content_type', '')
    outbox_written = outbox_written + 1
  end
  if redis.call('HGET', job .. id, 'aw') then redis.call('PUBLISH', 'lmq:done', queue_name .. ' ' .. id) end
end
if redis.call('HGET', meta, 'keyed') then
  -- INLINE: dedup
  for _, id in ipairs(ids) do
    local own = (options_of(id) or {}).dd
    if own then drop_key(id, own.k) end
  end
end
if #ids > 0 then redis.call('ZREM', expiry, unpack(ids)) end
remove_all(ids)
-- INLINE: publish_events
return { #ids, state == 'delayed' and redis.call('EXISTS', delayed) or math.min(1, redis.call('EXISTS', wait, behind)), outbox_written }
