-- Tells that the last waiting job was leased: nothing is to be leased any more, nor is anything left in the line of a group that is shut.
-- KEYS: behind
-- USES: job, events
if not has_groups or redis.call('EXISTS', behind) == 0 then
  happened[#happened + 1] = 'drained'
  happened[#happened + 1] = { '' }
end
