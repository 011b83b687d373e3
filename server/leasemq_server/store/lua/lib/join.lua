-- How `add` adds a job that takes part in a flow.
-- KEYS: dependents*, deps*, job*, blocked
-- USES: job, edges, events
local edges_of, at = {}, 1
for i = 1, item_count do
  local stop = string.find(flows, '\r', at, true)
  edges_of[i] = string.sub(flows, at, stop - 1)
  at = stop + 1
end
local BLOCKED = { 1, 'blocked', '0' }
local join_told, file_told -- made when the first job is met that may have been told of an end before it came
local told_already -- whether any of the jobs was told of an end before it came
local to_block, blocking = {}, {} -- who is to be in `blocked`, with their scores and without

-- Most jobs come before anybody tells them anything: they are blocked by fewer commands.
local function some_are_told_already()
  local all_deps = {}
  for i, id in items() do all_deps[i] = deps .. id end
  return redis.call('EXISTS', unpack(all_deps)) > 0
end

-- Returns what becomes of a job that waits for others; nil for one that others wait for.
local function join(i, id, own, now)
  local edges = edges_of[i]
  if edges == '' then return nil end
  local said = own.de and string.format('+%d', own.de) or own.ru and string.format('%d', own.ru) or ''
  if told_already == nil then told_already = some_are_told_already() end
  if not told_already then
    start_edges(id, edges)
    local n = #blocking + 1
    blocking[n], to_block[2 * n - 1], to_block[2 * n] = id, now, id
    if said ~= '' then redis.call('HSET', job .. id, 's', 'blocked', 'st', said) end
    return BLOCKED
  end
  if said ~= '' then redis.call('HSET', job .. id, 'st', said) end
  if not join_told then
    -- INLINE: join_told
    join_told, file_told = join, file_finished
  end
  return join_told(id, edges, now)
end

local function file_all()
  if to_block[1] then
    mark_flows()
    redis.call('ZADD', blocked, unpack(to_block))
    happened[#happened + 1] = 'added\tblocked'
    happened[#happened + 1] = blocking
  end
  if file_told then file_told() end
end
