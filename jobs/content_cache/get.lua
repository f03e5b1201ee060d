-- Give a value, and note that it was used now.
--
-- KEYS: 1 value, 2 used (sorted set: name by time of last use, ms), 3 stats (hash: hits, misses)
-- ARGV: 1 name, 2 now in ms, 3 how long the bookkeeping lives, ms
-- Returns the value, or nil.
--
-- Invariant: a name is in `used` only while `put` has accounted for it; a value without that is
-- given, and stays unaccounted until it expires.

local value = redis.call('GET', KEYS[1])
if value then
    redis.call('ZADD', KEYS[2], 'XX', ARGV[2], ARGV[1])
end
redis.call('HINCRBY', KEYS[3], value and 'hits' or 'misses', 1)
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return value
