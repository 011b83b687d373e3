-- What is read of many jobs at once.
-- USES: job
local function all_keys(prefix, ids)
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = prefix .. id end
  return keys
end

-- Most jobs of a batch have the same options. Returns also what is stored of each job, where that is short enough to have been read whole.
local HEAD_BYTES = 4096
local decoded = {}
local function all_options_of(ids)
  local all, blobs = {}, {}
  for i, id in ipairs(ids) do
    local head = redis.call('GETRANGE', spec .. id, 0, HEAD_BYTES - 1)
    blobs[i] = #head < HEAD_BYTES and head
    local json = head ~= '' and select(2, header_of(head)) or ''
    decoded[json] = decoded[json] or decode(json)
    all[i] = decoded[json]
  end
  return all, blobs
end
