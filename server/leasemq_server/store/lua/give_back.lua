-- give_back: ACTIVE → WAITING at the head for the leases of a request that did not reach its worker. The attempt is given back.
-- Where the worker may have read them before it was gone (perhaps 1), that counts as a lease expiry: a job that kills its workers must not go round for ever.
-- Nothing happens to a request whose retry got the leases meanwhile, nor to one that another script call than `call` answered (unless that is ''), nor to a
-- lease that was settled or superseded.
-- KEYS: meta, leases, job*, spec*, request*
-- ARGV: now_ms, seed, call
-- ITEMS: request_id, perhaps
-- RETURNS: {leases given back, outbox entries written}
-- FLAGS: allow-oom
-- USES: job, finish, lease, release, end_leases, outbox
local now = clock()

local function give_back(id, record, perhaps)
  if not perhaps then
    local state = release(id, 0, record, now)[2]
    if state == 'waiting' then redis.call('HSET', job .. id, 't', '') end -- a worker that got the lease after all has lost it
    return
  end
  end_leases({ id }, now, 'the worker was gone right after the job was sent to it')
end

local given_back = 0
for _, request_id, perhaps in items() do
  local kept = redis.call('GET', request .. request_id)
  local stop = kept and string.find(kept, '\n', 1, true)
  if kept and string.sub(kept, 1, 1) == '0' and (call == '' or string.sub(kept, 2, stop - 1) == call) then
    redis.call('DEL', request .. request_id)
    local given = {}
    for id, nonce in string.gmatch(string.sub(kept, stop), '([^\n]+)\n([^\n]+)') do given[#given + 1] = { id, nonce } end
    for i = #given, 1, -1 do
      local id, nonce = given[i][1], given[i][2]
      local record = held(id, nonce, now)
      if record then
        give_back(id, record, perhaps == '1')
        given_back = given_back + 1
      end
    end
  end
end
file_finished()
-- INLINE: publish_events
-- INLINE: publish_metrics
return { given_back, outbox_written }
