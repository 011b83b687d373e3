-- KEYS: job*
-- USES: finish, emit, counts
-- Fails a job for good: the dead letters, and the dead-letter queue.
local function bury(id, options, now, record, failure, fields)
  if send_to_dead_letter_queue(id, options, now, failure, record.blob) then outbox_written = outbox_written + 1 end
  failing = failing + 1
  counted.f = (counted.f or 0) + 1
  emit(id, 'failed', nil, record.worker, record.reason)
  finish(id, 'failed', now, options, record.awaited, fields)
end
