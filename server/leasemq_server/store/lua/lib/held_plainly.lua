-- Whether a plain record begins as it does while this nonce holds the lease.
local function is_held_plainly(record, nonce) return string.byte(record) == 97 and string.find(record, nonce, 2, true) == 2 end
