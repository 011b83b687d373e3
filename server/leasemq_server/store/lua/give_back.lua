-- give_back: ACTIVE → WAITING at the head for the leases of a request that never reached its worker. The attempt is given back.
-- Nothing happens to a request whose retry got the leases meanwhile, nor to a lease that was settled or superseded.
-- KEYS: meta, leases, job*, spec*, request*
-- ARGV: now_ms, seed
-- ITEMS: request_id
-- RETURNS: how many leases were given back
-- FLAGS: allow-oom
-- USES: job, wake, order, finish, retry, lease, release
local now = clock()
local given_back = 0
for _, request_id in items() do
  local h = redis.call('HMGET', request .. request_id, 'leases', 'replayed')
  if h[1] and not h[2] then
    redis.call('DEL', request .. request_id)
    local pairs_of = cjson.decode(h[1])
    for i = #pairs_of, 1, -1 do
      local record = held(pairs_of[i][1], pairs_of[i][2], now)
      if record then
        release(pairs_of[i][1], 0, record, now)
        given_back = given_back + 1
      end
    end
  end
end
file_finished()
return given_back
