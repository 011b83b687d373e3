-- The plain life, leased once and then completed, is one string a job, `run*`: written and read for a whole batch at once. Whatever else happens
-- to a job unfolds it into the hash `job*` first, and goes on there; a job never has both. KEYS.md says how the string is made.
-- KEYS: spec*, job*, run*
-- USES: job
local PLAIN_STATES = { a = 'active', c = 'completed' }

-- How a plain record begins while this nonce holds the lease.
local function held_plainly(nonce) return 'a' .. nonce end

local function unfold(id)
  local record = redis.call('GET', run .. id)
  if not record then return end
  local stop = string.find(record, '\n', 1, true)
  local start, worker = string.match(string.sub(record, 26, (stop or 0) - 1), '^(%d+) ([^\t]*)')
  local fields = { 's', PLAIN_STATES[string.sub(record, 1, 1)], 't', string.sub(record, 2, 25), 'a', 1, 'w', worker, 'ls', start }
  local function with(field, value)
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  local _, json = header_of(redis.call('GETRANGE', spec .. id, 0, 4095))
  if json ~= '' then with('m', json) end
  if stop then
    local finish, content_type, result = string.match(string.sub(record, stop + 1), '^(%d+)\n?([^\n]*)\n?(.*)$')
    with('ft', finish)
    if content_type ~= '' then
      with('r', result)
      with('rt', content_type)
    end
  end
  redis.call('HSET', job .. id, unpack(fields))
  redis.call('DEL', run .. id)
end
