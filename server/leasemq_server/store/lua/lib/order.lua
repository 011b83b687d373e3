-- Where a job goes that begins to wait, or that is to wait later.
-- KEYS: wait, delayed
-- USES: job, wake, groups, places
local function priority_of(options) return options.p or 0 end

local function wait_at(score, id, options)
  if options.g then return groups().join({ options.g }, { id }, { score }) end
  wake_if_first()
  redis.call('ZADD', wait, score, id)
end

local function wait_at_tail(id, options)
  wait_at(options.l and head_score(priority_of(options), 1) or tail_score(priority_of(options), 1), id, options)
end

local function wait_at_head(id, options) wait_at(head_score(priority_of(options), 1), id, options) end

local function delay_until(id, run_ms)
  wake_at(delayed, run_ms)
  redis.call('ZADD', delayed, run_ms, id)
end
