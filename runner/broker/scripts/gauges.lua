-- Count the jobs of a queue by state, by Redis's clock.
--
-- KEYS  1 the queue
-- Returns a GAUGES.
--
-- Keeps: it only reads, and its cost does not grow with the queue.
local queue = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local now_text = string.format('%.4f', now)
local oldest = redis.call('ZRANGEBYSCORE', queue, '-inf', now_text, 'WITHSCORES', 'LIMIT', 0, 1)
local gauges, first = {}, 1
gauges[first + GAUGES.due] = redis.call('ZCOUNT', queue, '-inf', now_text)
  + redis.call('ZCOUNT', queue .. ':suspects', '-inf', now_text)
gauges[first + GAUGES.total] = redis.call('ZCARD', queue) + redis.call('ZCARD', queue .. ':suspects')
gauges[first + GAUGES.retrying] = redis.call('ZCOUNT', queue .. ':retrying', '(' .. now_text, '+inf')
gauges[first + GAUGES.running] = redis.call('HLEN', queue .. ':running')
gauges[first + GAUGES.dead] = redis.call('ZCARD', queue .. ':dead')
gauges[first + GAUGES.parked] = redis.call('ZCARD', queue .. ':parked')
gauges[first + GAUGES.oldest_wait_ms] = oldest[2] and math.floor(now - tonumber(oldest[2])) or 0
gauges[first + GAUGES.paused] = redis.call('EXISTS', queue .. ':paused')
return gauges
