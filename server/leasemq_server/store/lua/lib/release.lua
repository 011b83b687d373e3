-- Gives a held lease back: the attempt too.
-- KEYS: leases, job*
-- USES: job, order, finish, attempts, lease, slot, emit
local function release(id, delay_ms, record, now)
  local options = record.options
  redis.call('ZREM', leases, id)
  lease_ended(id, options.g)
  if record.cancel then
    emit(id, 'cancelled', nil, record.worker, record.cancel)
    finish(id, 'cancelled', now, options, record.awaited, {})
    return outcome('cancelled', 0, 0)
  end
  local state, run_ms = 'waiting', 0
  if delay_ms > 0 then state, run_ms = 'delayed', now + delay_ms end
  local left = math.max(0, max_attempts(options) - record.attempt + 1)
  local reply = outcome(state, run_ms, left)
  redis.call('HSET', job .. id, 's', state, 'a', record.attempt - 1, 'so', cjson.encode({ record.nonce, reply }))
  emit(id, 'released', state, record.worker)
  if delay_ms > 0 then
    delay_until(id, run_ms)
  else
    wait_at_head(id, options)
  end
  return reply
end
