-- What this script call has made happen: heads, each followed by the list of ids that it holds for, in the order of the transitions.
-- A head is "<kind>\t<state>\t<worker>\t<reason>"; what is empty at its end is left out. The script ends with `-- INLINE: publish_events`.
local happened = {}
