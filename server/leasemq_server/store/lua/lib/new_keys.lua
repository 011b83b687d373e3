-- The records of the keys of a batch, to be stored together with its jobs: if one exists, or two jobs have the same key, nothing is stored.
-- KEYS: dedup*
local staying = {}
for _, id, _, options in items() do
  local own, _, key = decoded_options(options)
  if key then
    local record = dedup .. key
    if seen[record] then return false end
    seen[record] = true
    pairs_of[n + 1], pairs_of[n + 2] = record, key_record(id, own.dd, now)
    n = n + 2
    local stays_ms = key_record_stays(own.dd)
    if stays_ms then staying[record] = stays_ms end
  end
end
if redis.call('MSETNX', unpack(pairs_of)) == 0 then return false end
for record, ms in pairs(staying) do redis.call('PEXPIRE', record, ms) end
do return true end
