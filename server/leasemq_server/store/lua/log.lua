-- log: appends lines to an ACTIVE job's log, if leased with this nonce; the newest max_lines are kept.
-- KEYS: leases, job*, logs*
-- ARGV: now_ms, id, nonce, max_lines
-- ITEMS: line
-- RETURNS: {OK, lines ever appended} | {LEASE_LOST}
-- FLAGS: allow-oom
-- USES: lease
local now = clock()
if not held(id, nonce, now) then return { 'LEASE_LOST' } end
local lines = {}
for i, line in items() do lines[i] = line end
redis.call('RPUSH', logs .. id, unpack(lines))
redis.call('LTRIM', logs .. id, -tonumber(max_lines), -1)
return { 'OK', redis.call('HINCRBY', job .. id, 'lc', #lines) }
