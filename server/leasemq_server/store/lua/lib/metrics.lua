-- Counting how long jobs wait and run.
-- USES: counts
-- A time in ms as the number of its bucket: each is 2^(1/4) times as long as the one before, and 0 is less than 1 ms.
local function count_time(kind, ms, n)
  local name = kind .. (ms < 1 and 0 or math.floor(math.log(ms) / math.log(2) * 4) + 1)
  counted[name] = (counted[name] or 0) + n
end
