-- How a job joins that may have been told of ends already: it may go on at once.
-- USES: flow
local function join(id, edges, now)
  local all_pending = join_edges(id, edges)
  block(id, now)
  emit(id, 'added', 'blocked')
  if all_pending then return BLOCKED end
  local state, until_ms = go_on(id, now)
  return { 1, state, string.format('%d', until_ms) }
end
