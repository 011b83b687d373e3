-- KEYS: meta
-- USES: wake
-- To the worker that holds a lease: what became of it (LOST or CANCEL_REQUESTED), and why.
local function tell_worker(worker, word, nonce, id, reason)
  redis.call('PUBLISH', 'lmq:control', cjson.encode({ worker = worker, word = word, token = nonce .. '/' .. queue_name .. '/' .. id, reason = reason }))
end
