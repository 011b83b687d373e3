-- The records of the keys of a batch that `add` stores together with its jobs, by the one MSETNX.
-- KEYS: dedup*
-- USES: key_record

-- Puts them behind the jobs, and what the options say into own_of and group_of.
-- Returns, by record, for how many ms those stay that do not go with their jobs; nil when two jobs have the same key.
local function add_records(pairs_of)
  local staying, seen, n = {}, {}, #pairs_of
  local heads, stays = {}, {} -- what the records of jobs with the same options begin with, and for how long they stay
  for i, id, _, options in items() do
    local own, group, key = decoded_options(options)
    own_of[i] = own
    if group then group_of[i] = group end
    if key then
      local record = dedup .. key
      if seen[record] then return nil end
      seen[record] = true
      local said = own.dd
      if not heads[said] then heads[said], stays[said] = key_record('', said, now), key_record_stays(said) end
      pairs_of[n + 1], pairs_of[n + 2] = record, heads[said] .. id
      n = n + 2
      if stays[said] then staying[record] = stays[said] end
    end
  end
  return staying
end
