-- add: nothing → WAITING or DELAYED. An id that exists already changes nothing. All of the batch or, when the store is full, none of it.
-- KEYS: meta, wait, delayed, expiry, spec*, job*
-- ARGV: now_ms
-- ITEMS: id, spec_bytes, options, delay_ms, run_ms
-- RETURNS: one a job: {created 0|1, state, run_ms}
-- USES: job, wake, order
local now = clock()
local results, to_wait, to_delay, twins = {}, {}, {}, {}
local soonest
local added, tail = 0, nil

for i, id, spec_bytes, options, delay_ms, run_ms in items() do
  local head = string.format('%.0f', now)
  if options ~= '' then head = head .. ' ' .. options end
  if not redis.call('SET', spec .. id, head .. '\n' .. spec_bytes, 'NX') then
    local twin = twins[id] -- of this batch: it is in no set yet
    local state = twin and twin[2] or state_of(id)
    results[i] = { 0, state, twin and twin[3] or state == 'delayed' and redis.call('ZSCORE', delayed, id) or '0' }
  else
    added = added + 1
    local own = options ~= '' and cjson.decode(options) or nil
    if own and own.tl then
      wake_at(expiry, now + own.tl)
      redis.call('ZADD', expiry, now + own.tl, id)
    end
    local run = delay_ms ~= '' and now + tonumber(delay_ms) or run_ms ~= '' and tonumber(run_ms) or 0
    if run > now then
      -- the fraction keeps the order within a batch; due times are compared as whole milliseconds
      to_delay[#to_delay + 1] = string.format('%.4f', run + (i - 1) / 1024)
      to_delay[#to_delay + 1] = id
      soonest = math.min(soonest or run, run)
      results[i] = { 1, 'delayed', string.format('%.0f', run) }
    else
      local score
      if own and (own.p or own.l) then
        score = own.l and head_score(own.p or 0) or tail_score(own.p or 0, 1)
      else
        tail = tail and tail + 1 or tail_score(0, item_count)
        score = tail
      end
      to_wait[#to_wait + 1] = score
      to_wait[#to_wait + 1] = id
      results[i] = { 1, 'waiting', '0' }
    end
    twins[id] = results[i]
  end
end

if #to_wait > 0 then
  wake_if_first()
  redis.call('ZADD', wait, unpack(to_wait))
end
if #to_delay > 0 then
  wake_at(delayed, soonest)
  redis.call('ZADD', delayed, unpack(to_delay))
end
if added > 0 then redis.call('HINCRBY', meta, 'added', added) end
return results
