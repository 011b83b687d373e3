-- How `add` adds a job that takes part in a flow.
-- KEYS: dependents*, deps*, job*
-- USES: job, flow, emit
local edges_of = cjson.decode(flows)

-- Returns what becomes of a job that waits for others; nil for one that others wait for.
local function join(id, delay_ms, run_ms, now)
  local edges = edges_of[id]
  if not edges then return nil end
  if #edges == 0 then return nil end
  local said = delay_ms ~= '' and '+' .. delay_ms or run_ms
  if said ~= '' then redis.call('HSET', job .. id, 'st', said) end
  local all_pending = join_edges(id, edges)
  block(id, now)
  emit(id, 'added', 'blocked')
  if all_pending then return { 1, 'blocked', '0' } end
  local state, until_ms = go_on(id, now)
  return { 1, state, string.format('%.0f', until_ms) }
end

local function file_all()
  file_finished()
  return outbox_written > 0
end
