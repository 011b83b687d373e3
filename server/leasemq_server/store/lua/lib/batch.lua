-- What is read of many jobs at once.
-- USES: job
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
