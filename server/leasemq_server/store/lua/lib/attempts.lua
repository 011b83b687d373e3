-- USES: job
local function max_attempts(options) return options.ma or config().ma or 1 end
