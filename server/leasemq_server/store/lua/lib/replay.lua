-- What `lease` answers to requests that were answered before: the same leases, those that are still theirs.
-- KEYS: leases, spec*, job*, request*
-- USES: job, plain
for i, request_id in pairs(retried) do
  local kept = redis.call('GET', request .. request_id)
  if kept then
    redis.call('SETRANGE', request .. request_id, 0, '1')
    for id, nonce in string.gmatch(string.sub(kept, (string.find(kept, '\n', 1, true))), '([^\n]+)\n([^\n]+)') do
      unfold(id)
      local h = redis.call('HMGET', job .. id, 's', 't', 'a', 'n', 'fc', 'ls', 'cp')
      if h[1] == 'active' and h[2] == nonce then
        local n = #answers[i][2] + 1
        answers[i][2][n], answers[i][3][n], answers[i][4][n] = id, nonce, redis.call('GET', spec .. id)
        tell(answers[i], tonumber(h[3]), redis.call('ZSCORE', leases, id), h[4], h[5], h[6], h[7])
      end
    end
  end
end
