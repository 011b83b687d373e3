-- KEYS: wait
-- USES: wake, groups, places
-- Many jobs, each {id, options}, begin to wait, by one command: the first of the list comes first, at the head too.
local function all_wait(list, at_head)
  local first, last, step = 1, #list, 1
  if at_head then first, last, step = #list, 1, -1 end
  local places, place, groups_of, ids, scores = {}, nil, {}, {}, {}
  for i = first, last, step do
    local id, options = list[i][1], list[i][2]
    local priority, score = options.p or 0, nil
    if priority > 0 or options.l and not at_head then
      score = (at_head or options.l) and head_score(priority, 1) or tail_score(priority, 1)
    else
      place = place and place + step or at_head and head_score(0, #list) or tail_score(0, #list)
      score = place
    end
    if options.g then
      local n = #ids + 1
      groups_of[n], ids[n], scores[n] = options.g, id, score
    else
      local n = #places
      places[n + 1], places[n + 2] = score, id
    end
  end
  if places[1] then
    wake_if_first()
    redis.call('ZADD', wait, unpack(places))
  end
  if ids[1] then groups().join(groups_of, ids, scores) end
end
