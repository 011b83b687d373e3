-- update: WAITING, DELAYED, or (but for its run time) BLOCKED → the same with another spec, or in another place; a run time in the past promotes, one to come delays.
-- Compare-and-set on what is stored, so that two updates of different fields both stand.
-- KEYS: meta, wait, delayed, spec*, job*
-- ARGV: now_ms, id, expected, spec_bytes, options, to_tail, run_ms
-- RETURNS: {OK} | {CONFLICT} | {JOB_NOT_FOUND} | {JOB_NOT_IN_STATE, state}
-- USES: job, wake, order, emit, state_of
local state = state_of(id)
if not state then return { 'JOB_NOT_FOUND' } end
if state ~= 'waiting' and state ~= 'delayed' and (state ~= 'blocked' or run_ms ~= '') then return { 'JOB_NOT_IN_STATE', state } end
if redis.call('GET', spec .. id) ~= expected then return { 'CONFLICT' } end
local now = clock()
local create_ms = string.match(expected, '^%d+')
redis.call('SET', spec .. id, create_ms .. (options == '' and '' or ' ' .. options) .. '\n' .. spec_bytes)

local function move(to)
  local said = decode(options)
  if to == state then
    woken = true -- nothing new waits
    if said.g and state == 'waiting' then stop_waiting(id, said) end -- else it is moved where it is
  elseif state == 'waiting' then
    stop_waiting(id, said)
  else
    redis.call('ZREM', delayed, id)
  end
  if to == 'delayed' then
    delay_until(id, tonumber(run_ms))
  else
    wait_at(tail_score(priority_of(said), 1), id, said)
  end
  if to ~= state then emit(id, to == 'waiting' and 'promoted' or 'released', to, nil, 'updated') end
  if to == 'delayed' or to ~= state then redis.call('HSET', job .. id, 's', to, 'du', to == 'delayed' and run_ms or now) end
end

if run_ms ~= '' and tonumber(run_ms) > now then
  move('delayed')
elseif (run_ms ~= '' and state == 'delayed') or (to_tail == '1' and state == 'waiting') then
  move('waiting')
end
-- INLINE: publish_events
return { 'OK' }
