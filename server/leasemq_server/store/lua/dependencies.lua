-- dependencies: the edges of a job by name, from the one after `after`; stops before a reply of more than max_bytes.
-- KEYS: deps*, needs*, spec*
-- ARGV: now_ms, id, after, max_edges, max_bytes
-- RETURNS: nil when there is no such job, else {more 0|1, dependency, "<policy><outcome>" and its result, ...}
-- FLAGS: no-writes
-- USES: edge_list
if redis.call('EXISTS', spec .. id) == 0 then return nil end
local names, pending = redis.call('HKEYS', deps .. id), {}
local list = edges_in(redis.call('GET', needs .. id) or '')
for n = 1, #list, 2 do
  names[#names + 1], pending[list[n]] = list[n], list[n + 1]
end
table.sort(names)
local reply, bytes = { 0 }, 0
for _, name in ipairs(names) do
  if name > after and string.find(name, '/', 1, true) then
    local edge = pending[name] or redis.call('HGET', deps .. id, name)
    if string.sub(edge, 1, 1) ~= '?' then
      bytes = bytes + #edge
      if #reply > 1 and (bytes > tonumber(max_bytes) or #reply > 2 * max_edges) then
        reply[1] = 1
        return reply
      end
      reply[#reply + 1] = name
      reply[#reply + 1] = edge
    end
  end
end
return reply
