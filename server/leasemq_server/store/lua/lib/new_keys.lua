-- The records of the keys of a batch that `add` stores together with its jobs, by the one MSETNX.
-- KEYS: dedup*
-- USES: key_record

-- Puts them behind the jobs, and what the options say into own_of and group_of.
-- Returns, by record, for how many ms those stay that do not go with their jobs; nil when two jobs have the same key.
local function add_records(pairs_of)
  local staying, seen, n = {}, {}, #pairs_of
  for i, id, _, options in items() do
    local own, group, key = decoded_options(options)
    own_of[i], group_of[i] = own, group
    if key then
      local record = dedup .. key
      if seen[record] then return nil end
      seen[record] = true
      pairs_of[n + 1], pairs_of[n + 2] = record, key_record(id, own.dd, now)
      n = n + 2
      staying[record] = key_record_stays(own.dd)
    end
  end
  return staying
end
