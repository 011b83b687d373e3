-- Reading what is stored of a job. `spec*` holds "<create_ms> <options>\n<JobSpec>" (options: the JSON that scripts decide by, then, each behind a tab, the
-- group and the deduplication key of a job that has them; absent when all is default);
-- `run*` and `job*` hold what changes (lib/plain.lua says when which). KEYS.md lists the fields.
-- KEYS: meta, delayed, spec*, job*, run*
local function header_of(blob)
  local stop = string.find(blob, '\n', 1, true)
  local space = string.find(blob, ' ', 1, true)
  if space and space < stop then return tonumber(string.sub(blob, 1, space - 1)), string.sub(blob, space + 1, stop - 1), stop end
  return tonumber(string.sub(blob, 1, stop - 1)), '', stop
end

-- The group and the key behind the JSON are then among the options, as `g` and `dd.k`.
local function decode(text)
  if not text or text == '' then return {} end
  local tab = string.find(text, '\t', 1, true)
  if not tab then return cjson.decode(text) end
  local options = tab > 1 and cjson.decode(string.sub(text, 1, tab - 1)) or {}
  local next_tab = string.find(text, '\t', tab + 1, true)
  if next_tab then options.dd.k = string.sub(text, next_tab + 1) end
  if next_tab ~= tab + 1 then options.g = string.sub(text, tab + 1, (next_tab or 0) - 1) end
  return options
end

-- The group alone.
local function group_in(blob)
  local header = string.sub(blob, 1, string.find(blob, '\n', 1, true))
  local tab = string.find(header, '\t', 1, true)
  local stop = tab and (string.find(header, '\t', tab + 1, true) or #header)
  return stop and stop > tab + 1 and string.sub(header, tab + 1, stop - 1) or nil
end

local function options_of(id)
  local head = redis.call('GETRANGE', spec .. id, 0, 4095)
  if head == '' then return nil end
  local _, json = header_of(head)
  return decode(json)
end

local config_read
-- Known once config() was called: whether jobs of this queue depend on others, or others on them; whether a job of a group has waited in it, whether groups
-- have limits, how often those of all were changed, and whether a lease call has found the queue full.
local has_flows, has_groups, groups_limited, group_generation, was_full
-- The first call may ask for more fields of `meta`: the second thing returned then has them, from its seventh place on.
local function config(...)
  local h
  if not config_read then
    h = redis.call('HMGET', meta, 'config', 'fl', 'gr', 'gx', 'gg', 'full', ...)
    config_read, has_flows, has_groups, groups_limited, group_generation, was_full = decode(h[1]), h[2], h[3], h[4], tonumber(h[5] or 0), h[6]
  end
  return config_read, h
end

-- The state in words, or nil when there is no such job.
local function state_of(id)
  local state = redis.call('HGET', job .. id, 's')
  if state then return state end
  local plain = redis.call('GETRANGE', run .. id, 0, 0)
  if plain ~= '' then return plain == 'a' and 'active' or 'completed' end
  if redis.call('EXISTS', spec .. id) == 0 then return nil end
  if redis.call('ZSCORE', delayed, id) then return 'delayed' end
  return redis.call('ZSCORE', queue_base .. 'blocked', id) and 'blocked' or 'waiting'
end
