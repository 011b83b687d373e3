-- What this script call has counted, by what and bucket; `-- INLINE: publish_metrics` puts it into the store, one command a count.
local counted = {}
