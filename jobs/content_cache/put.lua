-- Keep a value, and make room for it: first what has expired, then what was not used for longest.
--
-- KEYS: 1 used (sorted set: name by time of last use, ms), 2 sizes (hash: name -> bytes),
--       3 expires (sorted set: name by time of expiry, ms), 4 total (string: sum of sizes),
--       5 stats (hash: evicted)
-- ARGV: 1 prefix of values, 2 name, 3 value, 4 now in ms, 5 time to live in ms, 6 most bytes
-- Returns 1 if the value is kept, 0 if it alone is larger than all there is room for.
--
-- Invariant: `total` is the sum of `sizes`, at most ARGV[6] afterwards, and `used`, `sizes` and
-- `expires` hold the same names. All of it expires some time after the last value.

local now, ttl, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local name, size = ARGV[2], #ARGV[3]

local function forget(one)
    local bytes = tonumber(redis.call('HGET', KEYS[2], one) or 0)
    redis.call('DEL', ARGV[1] .. one)
    redis.call('ZREM', KEYS[1], one)
    redis.call('ZREM', KEYS[3], one)
    redis.call('HDEL', KEYS[2], one)
    redis.call('DECRBY', KEYS[4], bytes)
end

-- A part of it may have been evicted by Redis: count anew from here, and what is no longer counted
-- expires by itself.
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3], KEYS[4]) < 4 then
    redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
end
for _, one in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 1000)) do
    forget(one)
end
if redis.call('HEXISTS', KEYS[2], name) == 1 then
    forget(name)
end
if size > most then
    return 0
end
while tonumber(redis.call('GET', KEYS[4]) or 0) + size > most do
    local oldest = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
    if not oldest then
        redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
        break
    end
    forget(oldest)
    redis.call('HINCRBY', KEYS[5], 'evicted', 1)
end

redis.call('SET', ARGV[1] .. name, ARGV[3], 'PX', ttl)
redis.call('ZADD', KEYS[1], now, name)
redis.call('ZADD', KEYS[3], now + ttl, name)
redis.call('HSET', KEYS[2], name, size)
redis.call('INCRBY', KEYS[4], size)
for i = 1, 5 do
    redis.call('PEXPIRE', KEYS[i], 2 * ttl)
end
return 1
