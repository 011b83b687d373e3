-- The set of the jobs that have finished in a state.
-- KEYS: completed, failed, cancelled
local SETS = { completed = completed, failed = failed, cancelled = cancelled }
