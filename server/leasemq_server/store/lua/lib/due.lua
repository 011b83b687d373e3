-- What the parts of tick.lua share.
-- USES: job
local function due(set, now, most) return redis.call('ZRANGEBYSCORE', set, '-inf', '(' .. string.format('%d', now + 1), 'LIMIT', 0, most) end

local function all_keys(prefix, ids)
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = prefix .. id end
  return keys
end

-- Most jobs of a batch have the same options.
local decoded = {}
local function all_options_of(ids)
  local all = {}
  for i, id in ipairs(ids) do
    local head = redis.call('GETRANGE', spec .. id, 0, 4095)
    local json = head ~= '' and select(2, header_of(head)) or ''
    decoded[json] = decoded[json] or decode(json)
    all[i] = decoded[json]
  end
  return all
end
