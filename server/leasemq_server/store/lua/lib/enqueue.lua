-- Adds one job from within another transition, as `add` does for a caller: an id that exists changes nothing.
-- KEYS: meta, wait, delayed, expiry, spec*
-- USES: job, wake, order, emit
local function enqueue(id, spec_bytes, options, now, why)
  local head = string.format('%d', now)
  if options ~= '' then head = head .. ' ' .. options end
  if not redis.call('SET', spec .. id, head .. '\n' .. spec_bytes, 'NX') then return false end
  local own = decode(options)
  if own.tl then
    wake_at(expiry, now + own.tl)
    redis.call('ZADD', expiry, now + own.tl, id)
  end
  local run_ms = own.ru or now + (own.de or 0)
  if run_ms > now then
    delay_until(id, run_ms)
    emit(id, 'added', 'delayed', nil, why or 'schedule')
  else
    wait_at_tail(id, own)
    emit(id, 'added', 'waiting', nil, why or 'schedule')
  end
  redis.call('HINCRBY', meta, 'added', 1)
  return true
end
