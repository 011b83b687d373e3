-- The record of a failure.
local MAX_FAILURES = 10

-- Keeps the newest failures, one JSON object a line.
local function with_failure(old, failure)
  if not old or old == '' then return failure end
  local lines = {}
  for line in string.gmatch(old, '[^\n]+') do lines[#lines + 1] = line end
  lines[#lines + 1] = failure
  return table.concat(lines, '\n', math.max(1, #lines - MAX_FAILURES + 1))
end

local function failure_json(kind, message, attempt, now, worker)
  return cjson.encode({ kind = kind, message = message, attempt = attempt, time = now, worker = worker })
end
