-- One transition of one job, of those that a batch does not share.
-- USES: events
local function emit(id, kind, state, worker, reason)
  local head = kind
  if reason then
    head = kind .. '\t' .. (state or '') .. '\t' .. (worker or '') .. '\t' .. string.sub(reason, 1, 200)
  elseif worker or state then
    head = kind .. '\t' .. (state or '') .. '\t' .. (worker or '')
  end
  local n = #happened
  if happened[n - 1] ~= head then
    n = n + 2
    happened[n - 1] = head
    happened[n] = {}
  end
  local ids = happened[n]
  ids[#ids + 1] = id
end
