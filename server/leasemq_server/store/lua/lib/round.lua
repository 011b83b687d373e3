-- Leasing from groups. The heads among those popped have their turns one after the other; what else their groups may lease is read from their lines, and
-- follows where the turns come round. Only what was leased is taken out of the lines, at the end, when the next heads take their places.
-- KEYS: meta, wait, behind, heads, line*, window*, group_leases, spec*
-- USES: groups
local WINDOW_KEEP_MS = 1000 -- a window outlives its time by this: the store's own clock only tidies up
local of_groups = groups()
local some_have_lines = false
local in_round -- the groups, in the order of their turns

-- What is known of a group in this call: how many more it may lease, its weight, how many it had leased in this turn before.
local function enter(group, turn)
  local room = of_groups.room_of(group)
  if room <= 0 then
    of_groups.reconsider(group) -- its limits were changed since its turn came
    return nil
  end
  local said, served = of_groups.rules_of(group), 0
  local weight = said and said.w or 1
  if weight > 1 then served = tonumber(string.match(redis.call('HGET', heads, group) or '', '^%S+ (%d+)') or 0) end
  return { group = group, turn = turn, room = room, weight = weight, served = served, rate = said and said.rl, read = 0, leased = 0, from_line = {} }
end

local function read_line(it, most)
  most = math.min(most, it.room - 1 - it.read) -- one is its head
  if most <= 0 then return {} end
  local found = redis.call('ZRANGE', line .. it.group, it.read, it.read + most - 1)
  it.read = it.read + #found
  return found
end

-- Puts into `popped` what may be leased, in its order: a score of false is that of a job in line. `asked` is how many were to be popped.
local function put_in_order(asked)
  local from, groups_of, lines = popped, {}, {}
  for i = 1, #from, 2 do
    local group = tonumber(from[i + 1]) >= FIRST_TURN and string.match(blobs[(i + 1) / 2], '^[^\n]*\t([^\n]*)')
    groups_of[i] = group
    if group then lines[#lines + 1] = line .. group end
  end
  some_have_lines = redis.call('EXISTS', unpack(lines)) > 0
  popped, round_of, in_round = {}, {}, {}
  local n = 0
  local function follow(id, score, it)
    n = n + 1
    popped[2 * n - 1], popped[2 * n], round_of[n] = id, score, it
  end
  for i = 1, #from, 2 do
    local it = groups_of[i] and enter(groups_of[i], from[i + 1])
    if not groups_of[i] then
      follow(from[i], from[i + 1], false)
    elseif it then
      in_round[#in_round + 1] = it
      follow(from[i], from[i + 1], it)
      if some_have_lines and it.weight > 1 then
        for _, id in ipairs(read_line(it, math.min(it.weight - it.served - 1, asked - n))) do follow(id, false, it) end
      end
    end
  end
  local again = some_have_lines and #from < 2 * asked and in_round or {} -- else other groups have their turns first
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
        for k = turn * it.weight + 1, math.min((turn + 1) * it.weight, #lined_up[i], turn * it.weight + asked - n) do follow(lined_up[i][k], false, it) end
      end
    end
    again = going_on
  end
  if n ~= #from / 2 then
    local specs = {}
    for i = 1, n do specs[i] = spec .. popped[2 * i - 1] end
    blobs = n > 0 and redis.call('MGET', unpack(specs)) or {}
  end
end

-- Takes the leased jobs, the first of `popped`, out of their lines. Returns the groups that have leased, the one that did so last at the end.
function take_out(leased_to)
  local members, all_from_line, have_leased = {}, {}, {}
  for i = 1, leased_to do
    local it, id = round_of[i], popped[2 * i - 1]
    if it and blobs[i] then
      if it.leased == 0 then have_leased[#have_leased + 1] = it end
      it.leased, it.last = it.leased + 1, i
      local m = #members
      members[m + 1], members[m + 2] = 0, it.group .. '\n' .. id
      if not popped[2 * i] then
        it.from_line[#it.from_line + 1], all_from_line[#all_from_line + 1] = id, id
      end
    end
  end
  if members[1] then redis.call('ZADD', group_leases, unpack(members)) end
  if all_from_line[1] then redis.call('ZREM', behind, unpack(all_from_line)) end
  for _, it in ipairs(have_leased) do
    if it.from_line[1] then redis.call('ZREM', line .. it.group, unpack(it.from_line)) end
    if it.rate then
      local start, count = of_groups.window_of(it.group, it.rate, now)
      redis.call('SET', window .. it.group, string.format('%.0f %d', start, count + it.leased), 'PX', start + it.rate.d - now + WINDOW_KEEP_MS)
    end
  end
  table.sort(have_leased, function(a, b) return a.last < b.last end)
  return have_leased
end

-- The next heads. A group whose turn is not over keeps it, the others go behind all that have one.
function stand_next(have_leased)
  local gone, standing, to_stand, behind_all = {}, {}, {}, {}
  for _, it in ipairs(have_leased) do
    local room, opens_ms, id, score = 0, nil, nil, nil
    if some_have_lines and redis.call('EXISTS', line .. it.group) == 1 then
      room, opens_ms = of_groups.room_of(it.group)
      if room > 0 then
        id, score = of_groups.next_in_line(it.group)
      else
        of_groups.shut_group(it.group, opens_ms)
        if opens_ms and (next_in < 0 or opens_ms - now < next_in) then next_in = opens_ms - now end
      end
    end
    if not id then
      gone[#gone + 1] = it.group
    else
      local served = (it.served + it.leased) % it.weight
      local s = #standing
      standing[s + 1], standing[s + 2] = it.group, of_groups.head_record(score, served, id)
      to_stand[s + 1], to_stand[s + 2] = it.turn, id
      if served == 0 then behind_all[#behind_all + 1] = s + 1 end
    end
  end
  if gone[1] then redis.call('HDEL', heads, unpack(gone)) end
  if behind_all[1] then
    local turn = of_groups.take_turns(#behind_all)
    for i, at in ipairs(behind_all) do to_stand[at] = turn + 2 * (i - 1) end
  end
  if standing[1] then
    redis.call('HSET', heads, unpack(standing))
    redis.call('ZADD', wait, unpack(to_stand))
  end
end
