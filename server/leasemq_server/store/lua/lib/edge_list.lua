-- Edges as text.
-- `edges` is text: "<dependency>\t<policy>p\n" of each, each dependency once. Returns a list: a dependency, its edge while it is pending, the next dependency, ...
-- It is cut by plain finds: a pattern costs some hundred instructions a character.
local function edges_in(text)
  local list, n, at = {}, 0, 1
  while at <= #text do
    local tab = string.find(text, '\t', at, true)
    list[n + 1], list[n + 2] = string.sub(text, at, tab - 1), string.sub(text, tab + 1, tab + 2)
    n, at = n + 2, tab + 4
  end
  return list
end
