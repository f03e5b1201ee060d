-- Renew a worker's entry in the register of its queue.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  BeatHead
-- Returns a BEAT.
--
-- Keeps: the entry, the register and the line that `arq --check` reads agree, by Redis's clock. An order is delivered
-- once, and so is what was set aside.
local queue, worker, lives_ms = KEYS[1], ARGV[HEAD.worker_id], ARGV[HEAD.lives_ms]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local health = ARGV[HEAD.health] .. redis.call('ZCARD', queue)
redis.call('ZADD', queue .. ':workers', string.format('%.0f', now), worker)
redis.call('SET', base .. 'worker:' .. worker, ARGV[HEAD.entry], 'PX', lives_ms)
redis.call('SET', ARGV[HEAD.health_key], health, 'PX', lives_ms)
local beat, first = {}, 1
beat[first + BEAT.now_ms] = now
beat[first + BEAT.health] = health
beat[first + BEAT.order] = redis.call('GETDEL', base .. 'order:' .. worker) or ''
local untold = redis.pcall('LPOP', base .. 'aside-untold', 10)
beat[first + BEAT.set_aside] = not has_failed(untold) and untold or {}
return beat
