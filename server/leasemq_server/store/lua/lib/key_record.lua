-- What `dedup*` holds of the job that has a key: its mode, until when for a key with a time, and its id.
local function key_record(id, own, now) return own.m .. (own.t and string.format('%d', now + own.t) or '') .. ' ' .. id end

-- For how many ms the record stays; nil where it goes when its job does.
local function key_record_stays(own) return own.t and own.m ~= 'u' and own.t + 1000 or nil end -- longer than it holds: the store's own clock only tidies up
