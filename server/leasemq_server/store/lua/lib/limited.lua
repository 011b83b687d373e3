-- What the limits say once the leases are made: whether more may be leased at once, and else what brings that about. Time (next_in), or the end of a lease,
-- for which `full` is left as a mark (lib/slot.lua).
-- KEYS: meta, wait
local given = #to_lease / 2
if limits[3] and given > 0 then redis.call('HSET', meta, 'rw', string.format('%d', window_start), 'rc', window_count + given) end
if more == 1 then
  local opens_in = math.max(hold_ms, rate_room <= given and window_start + limits[3] - now or 0)
  if opens_in > 0 then
    more = 0
    if next_in < 0 or opens_in < next_in then next_in = opens_in end
  end
  if active_room <= given then
    more = 0
    redis.call('HSET', meta, 'full', 1)
  end
end
