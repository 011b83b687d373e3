-- Reading what is stored of a job. `spec*` holds "<create_ms> <options>\n<JobSpec>" (options: the JSON that scripts decide by, then a tab and the group of a
-- job that has one; absent when all is default);
-- `run*` and `job*` hold what changes (lib/plain.lua says when which). KEYS.md lists the fields.
-- KEYS: meta, delayed, spec*, job*, run*
local function header_of(blob)
  local stop = string.find(blob, '\n', 1, true)
  local space = string.find(blob, ' ', 1, true)
  if space and space < stop then return tonumber(string.sub(blob, 1, space - 1)), string.sub(blob, space + 1, stop - 1), stop end
  return tonumber(string.sub(blob, 1, stop - 1)), '', stop
end

-- Options behind which a tab and the group come, too: it is then among them as `g`.
local function decode(json)
  if not json or json == '' then return {} end
  local tab = string.find(json, '\t', 1, true)
  if not tab then return cjson.decode(json) end
  local options = tab > 1 and cjson.decode(string.sub(json, 1, tab - 1)) or {}
  options.g = string.sub(json, tab + 1)
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
  return 'waiting'
end
