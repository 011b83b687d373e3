-- The record of a failure.
local MAX_FAILURES = 10

-- Keeps the newest failures, one JSON object a line. The lines are found by plain finds: failures with tracebacks are long, and a pattern costs some
-- hundred instructions a character.
local function with_failure(old, failure)
  if not old or old == '' then return failure end
  local starts, n, at = { 1 }, 1, string.find(old, '\n', 1, true)
  while at do
    n = n + 1
    starts[n] = at + 1
    at = string.find(old, '\n', at + 1, true)
  end
  local excess = n + 1 - MAX_FAILURES
  if excess > 0 then old = string.sub(old, starts[excess + 1]) end
  return old .. '\n' .. failure
end

local function failure_json(kind, message, attempt, now, worker)
  return cjson.encode({ kind = kind, message = message, attempt = attempt, time = now, worker = worker })
end
