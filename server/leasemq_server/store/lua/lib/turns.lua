-- Groups take turns. Of each group that may lease, one waiting job, its head, stands in `wait`: behind all jobs without a group, by the group's turn. The
-- others stand in the group's line, `line*`, and in `behind`, in the order of lib/order.lua. A group that may lease none now (its limits, or it is paused)
-- has no head and is in `shut`. So `wait` holds jobs that may be leased and nothing else, and a group with one waiting job is one score and one field.
-- KEYS: meta, wait, behind, heads, shut, group_leases, group_rules, line*, window*
-- USES: job, wake
-- The first of n turns that follow each other, 2 apart.
local function take_turns(n) return FIRST_TURN + 2 * (redis.call('HINCRBY', meta, 'turn', n) - n) end

local function limit_of(own, default)
  own = own or default
  return own ~= 0 and own or nil
end

local rules = {}
-- Reads the rules of groups: xa max_active, rl rate_limit, mw max_waiting, w weight, p paused; false where there are none.
local function read_rules(names)
  local default = config().gd
  local kept = groups_limited and redis.call('HMGET', group_rules, unpack(names)) or {}
  for i, group in ipairs(names) do
    rules[group] = default or false
    if kept[i] then
      local own, of_all = decode(string.match(kept[i], '^[^\n]*')), default or {}
      rules[group] = { xa = limit_of(own.xa, of_all.xa), rl = own.rl or of_all.rl, mw = limit_of(own.mw, of_all.mw), w = own.w, p = own.p }
    end
  end
end

local function rules_of(group)
  if rules[group] == nil then read_rules({ group }) end
  return rules[group]
end

-- When the rate limit's window was opened, and how many leases are in it.
local function window_of(group, rate, now)
  local start, count = string.match(redis.call('GET', window .. group) or '', '^(%d+) (%d+)$')
  start = tonumber(start)
  if not start or now < start or now >= start + rate.d then return now, 0 end -- before it: the clock was set back
  return start, tonumber(count)
end

-- How many jobs the group may lease now; and if that is none for a time, until when.
local function room_of(group)
  local said = rules_of(group)
  if not said then return math.huge end
  if said.p then return 0 end
  local room, opens_ms = math.huge, nil
  if said.xa then room = said.xa - redis.call('ZLEXCOUNT', group_leases, '[' .. group .. '\n', '(' .. group .. '\v') end
  if said.rl then
    local start, count = window_of(group, said.rl, clock())
    room = math.min(room, said.rl.n - count)
    if said.rl.n <= count then opens_ms = start + said.rl.d end
  end
  return math.max(0, room), opens_ms
end

local function shut_group(group, opens_ms)
  if opens_ms then wake_at(shut, opens_ms) end
  redis.call('ZADD', shut, opens_ms or SHUT + group_generation, group)
end

-- `served`: how many jobs the group has leased in this turn.
local function head_of(kept)
  local space = string.find(kept, ' ', 1, true)
  local next_space = string.find(kept, ' ', space + 1, true)
  local score, served, id = string.sub(kept, 1, space - 1), string.sub(kept, space + 1, next_space - 1), string.sub(kept, next_space + 1)
  return { score = tonumber(score), served = served, id = id }
end

local function head_record(score, served, id) return string.format('%d %d %s', score, served, id) end

local function stand(group, id, score, served, turn)
  wake_if_first()
  redis.call('HSET', heads, group, head_record(score, served, id))
  redis.call('ZADD', wait, turn, id)
end

-- The first of a group's line, out of it: id and score.
local function next_in_line(group)
  local popped = redis.call('ZPOPMIN', line .. group)
  if not popped[1] then return nil end
  redis.call('ZREM', behind, popped[1])
  return popped[1], tonumber(popped[2])
end

-- For a group without a head: its turn comes, if one of its jobs may be leased.
local function reopen(group)
  if redis.call('EXISTS', line .. group) == 0 then
    redis.call('ZREM', shut, group)
    return
  end
  config()
  local room, opens_ms = room_of(group)
  if room <= 0 then return shut_group(group, opens_ms) end
  redis.call('ZREM', shut, group)
  local id, score = next_in_line(group)
  stand(group, id, score, 0, take_turns(1))
end

-- The rules of the group were changed.
local function reconsider(group)
  config()
  local kept = redis.call('HGET', heads, group)
  if not kept then return reopen(group) end
  local room, opens_ms = room_of(group)
  if room > 0 then return end
  local head = head_of(kept)
  redis.call('ZREM', wait, head.id)
  redis.call('HDEL', heads, group)
  redis.call('ZADD', line .. group, head.score, head.id)
  redis.call('ZADD', behind, head.score, head.id)
  shut_group(group, opens_ms)
end

-- Whether any of these groups has a line: mostly none, and then nothing is asked of each.
local function some_have_lines(names)
  if redis.call('EXISTS', behind) == 0 then return false end
  local lines = {}
  for i, group in ipairs(names) do lines[i] = line .. group end
  return redis.call('EXISTS', unpack(lines)) > 0
end

-- Each of these jobs is the first of a group that had none: they are its heads. Groups, ids and scores, one after the other.
local function stand_first(groups_of, ids, scores)
  if #ids == 0 then return end
  wake_if_first()
  local turn, turns, records = take_turns(#ids), {}, {}
  for i, id in ipairs(ids) do
    turns[2 * i - 1], turns[2 * i] = turn + 2 * (i - 1), id
    records[2 * i - 1], records[2 * i] = groups_of[i], head_record(scores[i], 0, id)
  end
  redis.call('ZADD', wait, unpack(turns))
  redis.call('HSET', heads, unpack(records))
end

-- What `join` does where groups have heads already, or several of the jobs, or limits.
local function join_one_by_one(groups_of, ids, scores, names, kept, have_lines)
  local head, is_shut, new, in_line, all_behind = {}, {}, {}, {}, {}
  read_rules(names)
  for i, group in ipairs(names) do
    if kept[i] then
      head[group] = head_of(kept[i])
    elseif have_lines and redis.call('EXISTS', line .. group) == 1 then
      is_shut[group] = true
    else
      local room, opens_ms = room_of(group)
      is_shut[group] = room <= 0
      if is_shut[group] then shut_group(group, opens_ms) end
    end
  end

  local function line_up(group, id, score)
    local of_group, n, m = in_line[group] or {}, 0, #all_behind
    in_line[group] = of_group
    n = #of_group
    of_group[n + 1], of_group[n + 2] = score, id
    all_behind[m + 1], all_behind[m + 2] = score, id
  end

  for i, id in ipairs(ids) do
    local group, score = groups_of[i], scores[i]
    local first = head[group]
    if is_shut[group] or (first and score > first.score) then
      line_up(group, id, score)
    elseif not first then
      head[group] = { score = score, served = 0, id = id, is_new = true }
      new[#new + 1] = group
    else
      line_up(group, first.id, first.score)
      if not first.is_new then
        local turn = redis.call('ZSCORE', wait, first.id)
        redis.call('ZREM', wait, first.id)
        redis.call('ZADD', wait, turn, id)
        redis.call('HSET', heads, group, head_record(score, first.served, id))
      end
      first.id, first.score = id, score
    end
  end

  local first_ids, first_scores = {}, {}
  for i, group in ipairs(new) do first_ids[i], first_scores[i] = head[group].id, head[group].score end
  stand_first(new, first_ids, first_scores)
  if #all_behind > 0 then redis.call('ZADD', behind, unpack(all_behind)) end
  for group, jobs in pairs(in_line) do redis.call('ZADD', line .. group, unpack(jobs)) end
end

-- Jobs begin to wait: the group of each, its id and its score.
local function join(groups_of, ids, scores)
  config()
  if not has_groups then
    redis.call('HSET', meta, 'gr', 1)
    has_groups = '1'
  end
  local names, seen = {}, {}
  for _, group in ipairs(groups_of) do
    if not seen[group] then
      seen[group] = true
      names[#names + 1] = group
    end
  end
  local kept = redis.call('HMGET', heads, unpack(names))
  local have_lines = some_have_lines(names)
  local all_first = #names == #ids and not groups_limited and not have_lines
  for i = 1, #names do all_first = all_first and not kept[i] end
  if all_first then
    stand_first(groups_of, ids, scores)
  else
    join_one_by_one(groups_of, ids, scores, names, kept, have_lines)
  end
end

-- A waiting job that goes; returns whether it waited. If it was the head, the next in line has its place.
local function leave(group, id)
  local kept = redis.call('HGET', heads, group)
  local head = kept and head_of(kept)
  if not head or head.id ~= id then
    redis.call('ZREM', behind, id)
    if redis.call('ZREM', line .. group, id) == 0 then return false end
    if not head and redis.call('EXISTS', line .. group) == 0 then redis.call('ZREM', shut, group) end
    return true
  end
  local turn = redis.call('ZSCORE', wait, id)
  redis.call('ZREM', wait, id)
  local next_id, score = next_in_line(group)
  if next_id then
    redis.call('ZADD', wait, turn, next_id)
    redis.call('HSET', heads, group, head_record(score, head.served, next_id))
  else
    redis.call('HDEL', heads, group)
  end
  return true
end

-- Leases of jobs have ended, of the group of each: what that lets through takes its turn.
local function leases_ended(groups_of, ids)
  local members = {}
  for i, id in ipairs(ids) do members[i] = groups_of[i] .. '\n' .. id end
  redis.call('ZREM', group_leases, unpack(members))
  if not some_have_lines(groups_of) then return end
  for _, group in ipairs(groups_of) do
    if redis.call('HEXISTS', heads, group) == 0 then reopen(group) end
  end
end
