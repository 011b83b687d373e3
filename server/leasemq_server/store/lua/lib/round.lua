-- Leasing from groups. The heads among those popped have their turns one after the other; what else their groups may lease is read from their lines, and
-- follows where the turns come round. Only what was leased is taken out of the lines, at the end, when the next heads take their places.
-- KEYS: meta, wait, behind, heads, line*, window*, group_leases
-- USES: groups
local WINDOW_KEEP_MS = 1000 -- a window outlives its time by this: the store's own clock only tidies up
local of_groups = groups()
local in_round -- by group; nothing when each job popped is its group's only one, and no group has limits

local function look_again_at(ms)
  if ms and (next_in < 0 or ms - now < next_in) then next_in = ms - now end
end

-- What is known of a group in this call: how many more it may lease, its weight, how many it had leased in this turn before.
local function enter(group, turn)
  local room, opens_ms = of_groups.room_of(group)
  if room <= 0 then
    of_groups.reconsider(group) -- its limits were changed since its turn came
    look_again_at(opens_ms)
    return nil
  end
  local said, served = of_groups.rules_of(group), 0
  local weight = said and said.w or 1
  if weight > 1 then served = math.min(weight - 1, tonumber(string.match(redis.call('HGET', heads, group) or '', '^%S+ (%d+)') or 0)) end -- it had more before, perhaps
  return { group = group, turn = turn, room = room, weight = weight, served = served, rate = said and said.rl, read = 0, leased = 0, from_line = {} }
end

local function read_line(it, most)
  most = math.min(most, it.room - 1 - it.read) -- one is its head
  if most <= 0 then return {} end
  local found = redis.call('ZRANGE', line .. it.group, it.read, it.read + most - 1)
  it.read = it.read + #found
  return found
end

-- Makes `popped` what may be leased, in its order: a score of false is that of a job in line.
local function put_in_order(have_lines)
  local from, from_groups = popped, group_of
  popped, group_of, in_round = {}, {}, {}
  local n, again = 0, {}
  local function follow(id, score, group)
    n = n + 1
    popped[2 * n - 1], popped[2 * n], group_of[n] = id, score, group
  end
  for i = 1, #from, 2 do
    local group = from_groups[(i + 1) / 2]
    local it = group and enter(group, from[i + 1])
    if not group then
      follow(from[i], from[i + 1], false)
    elseif it then
      in_round[group] = it
      again[#again + 1] = it
      follow(from[i], from[i + 1], group)
      if have_lines and it.weight > 1 then
        for _, id in ipairs(read_line(it, math.min(it.weight - it.served - 1, asked - n))) do follow(id, false, group) end
      end
    end
  end
  if not have_lines or #from == 2 * asked or unread[1] then again = {} end -- but in the first case other groups have their turns first
  while n < asked and #again > 0 do
    local weights, lined_up, turns, going_on = 0, {}, 0, {}
    for _, it in ipairs(again) do weights = weights + it.weight end
    local most = math.ceil((asked - n) / weights)
    for i, it in ipairs(again) do
      lined_up[i] = read_line(it, most * it.weight)
      turns = math.max(turns, math.ceil(#lined_up[i] / it.weight))
      if #lined_up[i] == most * it.weight then going_on[#going_on + 1] = it end
    end
    for turn = 0, turns - 1 do
      for i, it in ipairs(again) do
        for k = turn * it.weight + 1, math.min((turn + 1) * it.weight, #lined_up[i], turn * it.weight + asked - n) do follow(lined_up[i][k], false, it.group) end
      end
    end
    again = going_on
  end
  blobs = read_popped()
end

local function begin_round()
  config()
  local names = {}
  for i = 1, #popped, 2 do
    local n = (i + 1) / 2
    group_of[n] = tonumber(popped[i + 1]) >= FIRST_TURN and blobs[n] and select(2, parts_of(string.sub(blobs[n], 1, string.find(blobs[n], '\n', 1, true) - 1)))
    if group_of[n] then names[#names + 1] = group_of[n] end
  end
  local have_lines = of_groups.some_have_lines(names)
  if have_lines or groups_limited then
    if names[1] then of_groups.read_rules(names) end
    put_in_order(have_lines)
  end
end

local function count_in_window(it)
  local start, count = of_groups.window_of(it.group, it.rate, now)
  redis.call('SET', window .. it.group, string.format('%d %d', start, count + it.leased), 'PX', start + it.rate.d - now + WINDOW_KEEP_MS)
end

-- The next heads of groups, in the order in which these have leased last. A group whose turn is not over keeps it, the others go behind all that have one.
local function stand_next(have_leased)
  local gone, records, turns, new_turns = {}, {}, {}, {}
  for _, it in ipairs(have_leased) do
    local id, score
    if redis.call('EXISTS', line .. it.group) == 1 then
      local room, opens_ms = of_groups.room_of(it.group)
      if room > 0 then
        id, score = of_groups.next_in_line(it.group)
      else
        of_groups.shut_group(it.group, opens_ms)
        look_again_at(opens_ms)
      end
    end
    if not id then
      gone[#gone + 1] = it.group
    else
      local n, served = #records, (it.served + it.leased) % it.weight
      records[n + 1], records[n + 2] = it.group, of_groups.head_record(score, served, id)
      turns[n + 1], turns[n + 2] = it.turn, id
      if served == 0 then new_turns[#new_turns + 1] = n + 1 end
    end
  end
  if gone[1] then redis.call('HDEL', heads, unpack(gone)) end
  if not records[1] then return end
  if new_turns[1] then
    local turn = of_groups.take_turns(#new_turns)
    for i, at in ipairs(new_turns) do turns[at] = turn + 2 * (i - 1) end
  end
  redis.call('HSET', heads, unpack(records))
  redis.call('ZADD', wait, unpack(turns))
end

local function take_from_lines(leased_to)
  local from_lines, have_leased = {}, {}
  for i = 1, leased_to do
    local it, id = group_of[i] and in_round[group_of[i]], popped[2 * i - 1]
    if it then
      if it.leased == 0 then have_leased[#have_leased + 1] = it end
      it.leased, it.last = it.leased + 1, i
      if not popped[2 * i] then
        it.from_line[#it.from_line + 1] = id
        from_lines[#from_lines + 1] = id
      end
    end
  end
  if from_lines[1] then redis.call('ZREM', behind, unpack(from_lines)) end
  for _, it in ipairs(have_leased) do
    if it.from_line[1] then redis.call('ZREM', line .. it.group, unpack(it.from_line)) end
    if it.rate then count_in_window(it) end
  end
  if from_lines[1] then table.sort(have_leased, function(a, b) return a.last < b.last end) end
  return have_leased
end

-- What was leased, the first of `popped`, is no longer waiting.
function take_out(leased_to)
  local members, names = {}, {}
  for i = 1, leased_to do
    if group_of[i] then
      local n = #names + 1
      names[n] = group_of[i]
      members[2 * n - 1], members[2 * n] = 0, group_of[i] .. '\n' .. popped[2 * i - 1]
    end
  end
  if not names[1] then return end
  redis.call('ZADD', group_leases, unpack(members))
  if in_round then
    stand_next(take_from_lines(leased_to))
  else
    redis.call('HDEL', heads, unpack(names))
  end
end
