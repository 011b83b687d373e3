-- dedup_remove: frees a deduplication key, whatever holds it; a job that was kept aside for it is added, without the key.
-- KEYS: meta, dedup*
-- ARGV: now_ms, key
-- RETURNS: the id of the job that held it, or ''
-- FLAGS: allow-oom
-- USES: dedup
local now = clock()
local holder = holder_of(key, now)
local _, _, _, aside = read_record(key)
if aside then add_kept(aside, now) end
redis.call('DEL', dedup .. key)
-- INLINE: publish_events
return holder or ''
