-- Writes all that happened as one entry of the queue's events. An entry's id is the number of its last event and the time, so that a position is a number, and the
-- oldest entries go by the number of events that are kept, whatever their size. Numbers begin with the time, so that a queue that was deleted and made
-- again goes on above its old ones.
-- KEYS: meta, events
-- USES: job, events
local most_events = happened[1] and (config().ev or 10000) or 0
if most_events > 0 then
  local count = 0
  for i = 2, #happened, 2 do
    count = count + #happened[i]
    happened[i] = table.concat(happened[i], '\n')
  end
  local last = redis.call('HINCRBY', meta, 'events', count)
  if last == count then last = redis.call('HINCRBY', meta, 'events', now * 1000) end
  redis.call('XADD', events, 'MINID', '~', last - most_events, string.format('%d-%d', last, now), unpack(happened))
end
