-- How `add` adds a job that takes part in a flow.
-- KEYS: dependents*, deps*, needs*, job*, blocked
-- USES: job, edges, events
local edges_of, records, all_deps, at = {}, {}, {}, 1 -- the records are what a batch of new jobs stores together with them
for i, id in items() do
  local stop = string.find(flows, '\r', at, true)
  edges_of[i] = string.sub(flows, at, stop - 1)
  if stop > at then
    local n = #records
    records[n + 1], records[n + 2] = needs .. id, edges_of[i]
    all_deps[n / 2 + 1] = deps .. id
  end
  at = stop + 1
end
local BLOCKED = { 1, 'blocked', '0' }
local join_told, file_told -- made when the first job is met that may have been told of an end before it came
local to_block, blocking = {}, {} -- who is to be in `blocked`, with their scores and without

-- Most jobs come before anybody tells them anything: they are blocked by fewer commands.
local told_already = all_deps[1] and redis.call('EXISTS', unpack(all_deps)) > 0
if told_already then records = {} end

-- Returns what becomes of a job that waits for others; nil for one that others wait for.
local function join(i, id, own, now)
  local edges = edges_of[i]
  if edges == '' then return nil end
  local said = own.de and string.format('+%d', own.de) or own.ru and string.format('%d', own.ru) or ''
  if not told_already then
    if not all_new then redis.call('SET', needs .. id, edges) end
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
