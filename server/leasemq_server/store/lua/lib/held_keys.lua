-- For `add` to a full queue or group: which of a batch's new jobs make none more, since another job holds their deduplication key.
-- KEYS: dedup*
-- USES: dedup
local taken = {} -- by key: 'delayed' or 'held' when a job of this batch has it, false when one had it and lets it go as it starts

-- Whether a new job with such options is left out, and whether it takes the place of a delayed one.
local function left_out(options)
  local own, _, key = decoded_options(options)
  if not key then return false, false end
  local held = taken[key]
  if held == nil then
    local holder, state = holder_of(key, now)
    held = holder and (state == 'delayed' and not has_started(holder) and 'delayed' or 'held')
  end
  local replaces = held == 'delayed' and own.dd.m == 'd'
  if held and not replaces then return true, false end
  taken[key] = start_of(own, now) > now and 'delayed' or (own.dd.m ~= 'd' or own.dd.t) and 'held'
  return false, replaces
end
