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

-- The JSON of options, and the group and the key behind it, if there are any.
local function parts_of(text)
  local tab = string.find(text, '\t', 1, true)
  if not tab then return text end
  local next_tab = string.find(text, '\t', tab + 1, true)
  local group = next_tab ~= tab + 1 and string.sub(text, tab + 1, (next_tab or 0) - 1) or nil
  return string.sub(text, 1, tab - 1), group, next_tab and string.sub(text, next_tab + 1)
end

-- Group and key are then among the options, as `g` and `dd.k`.
local function decode(text)
  if not text or text == '' then return {} end
  local json, group, key = parts_of(text)
  local options = json ~= '' and cjson.decode(json) or {}
  options.g = group
  if key then options.dd.k = key end
  return options
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
