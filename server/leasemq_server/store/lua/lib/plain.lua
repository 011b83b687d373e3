-- The plain life, leased once and then completed, is one string a job, `run*`: written and read for a whole batch at once. Whatever else happens
-- to a job unfolds it into the hash `job*` first, and goes on there; a job never has both. KEYS.md says how the string is made.
-- KEYS: spec*, job*, run*
-- USES: job
local PLAIN_STATES = { a = 'active', c = 'completed' }

-- The state that a plain record tells, and the other fields of the hash that it unfolds into.
local function unfolded(id, record)
  local stop = string.find(record, '\n', 1, true)
  local tab = string.find(record, '\t', 39, true)
  if tab and stop and tab > stop then tab = nil end -- it is of the result
  local start, worker = string.sub(record, 26, 38), string.sub(record, 40, (tab or stop or 0) - 1)
  local fields = { 't', string.sub(record, 2, 25), 'a', 1, 'w', worker, 'ls', start }
  local function with(field, value)
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  local _, json = header_of(redis.call('GETRANGE', spec .. id, 0, 4095))
  if json ~= '' then with('m', json) end
  if stop then
    with('ft', string.sub(record, stop + 1, stop + 13))
    local next_stop = string.find(record, '\n', stop + 15, true)
    if next_stop then
      with('r', string.sub(record, next_stop + 1))
      with('rt', string.sub(record, stop + 15, next_stop - 1))
    end
  end
  return PLAIN_STATES[string.sub(record, 1, 1)], fields
end

local function unfold(id)
  local record = redis.call('GET', run .. id)
  if not record then return end
  local state, fields = unfolded(id, record)
  redis.call('HSET', job .. id, 's', state, unpack(fields))
  redis.call('DEL', run .. id)
end
