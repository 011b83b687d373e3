-- How long and how many finished jobs are kept.
-- USES: job
-- A job's own retention, else the queue's, else the default: age and count; nil = no limit of that kind.
local function retention(options, state)
  local kind, default_age, default_count = 'cr', 86400000, 10000
  if state == 'failed' then kind, default_age, default_count = 'fr', 2592000000, 100000 end
  local own, queue = options[kind], config()[kind] or { a = default_age, c = default_count }
  if own then return own.a, own.c or (own.a and queue.c), true end
  return queue.a, queue.c, false
end
