-- resolve: tells jobs that a dependency of theirs has ended; BLOCKED → WAITING or DELAYED with the last one, FAILED when its edge says so.
-- Each edge counts once, however often it is told; for a job that is not there (yet) it is kept for an hour.
-- KEYS: meta, blocked, deps*, spec*, job*
-- ARGV: now_ms
-- ITEMS: id, dependency, outcome, result, content_type
-- RETURNS: {the number of outbox entries written}
-- FLAGS: allow-oom
-- USES: job, finish, flow
local now = clock()
local seen, told = {}, {}
for _, id, dependency, outcome, result, content_type in items() do
  note_end(id, dependency, OUTCOMES[outcome] .. (result ~= '' and '\n' .. content_type .. '\n' .. result or ''))
  if not seen[id] then
    seen[id] = true
    told[#told + 1] = id
  end
end
for _, id in ipairs(told) do
  if redis.call('ZSCORE', blocked, id) then go_on(id, now) end
end
file_finished()
-- INLINE: publish_events
-- INLINE: publish_metrics
return { outbox_written }
