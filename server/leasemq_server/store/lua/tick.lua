-- tick: what time alone brings about: due delayed jobs wait, expired leases end, jobs that nobody started in time fail, groups have their turns again. At most
-- max_moves jobs wait by a call, and fewer end: what is left is due at once, and the next call's. Each part is made only when something of its kind is due, as
-- next_change() has found it.
-- KEYS: meta, wait, behind, delayed, blocked, leases, expiry, completed, failed, cancelled, spec*, job*
-- ARGV: now_ms, seed, max_moves
-- RETURNS: {in how many ms to tick again or -1, how often it has written to the outbox, jobs moved, 1 if the queue has jobs of any kind or had some that were moved}
-- FLAGS: allow-oom
-- USES: job, moments, events, counts, outbox
local now = clock()
config()
local moved = 0
local soon = next_change(now)
if soon == 0 then
  local most = tonumber(max_moves)
  local END_COST = 8 -- to end a job costs the store as much as to let four wait, and twice that where it fails for good
  local most_ends = math.max(1, math.floor(most / END_COST))
  local function is_due(set) return first[set] and first[set] < now + 1 end

  if has_groups and is_due(shut) then
    -- INLINE: reopen_groups
    moved = moved + reopen_groups(now, most_ends)
  end
  if is_due(expiry) then
    -- INLINE: expire_unstarted
    moved = moved + expire_unstarted(now, most_ends)
    file_finished()
    if left_delayed then first[delayed], first_two[delayed] = first_score(delayed) or false, nil end
  end
  if is_due(delayed) then
    -- INLINE: promote_due
    moved = moved + promote_due(now, most)
  end
  if is_due(leases) then
    -- INLINE: reap_leases
    moved = moved + reap_leases(now, most_ends)
    if file_ended then first[expiry], first[delayed] = nil, nil end
  end
  soon = next_change(now)
end
local any = (soon >= 0 or moved > 0) and 1 or math.min(1, redis.call('EXISTS', wait, behind, delayed, blocked, leases, completed, failed, cancelled))
-- INLINE: publish_events
-- INLINE: publish_metrics
return { soon, outbox_written, moved, any }
