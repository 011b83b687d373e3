-- KEYS: spec*
-- USES: job
local function options_of(id)
  local head = redis.call('GETRANGE', spec .. id, 0, 4095)
  if head == '' then return nil end
  local _, json = header_of(head)
  return decode(json)
end
