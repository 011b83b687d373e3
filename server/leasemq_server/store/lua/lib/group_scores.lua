-- Scores that only groups have.
local FIRST_TURN = 9007199254740992 -- 2^53: above all scores of lib/order.lua. Turns are 2 apart: whole numbers are no finer from here on
local SHUT = 1e15 -- a score of `shut` below is the time in ms at which the group may lease again; one above says at which group_generation it was found that no time opens it
