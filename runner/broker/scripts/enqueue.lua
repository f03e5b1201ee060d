-- Put jobs into one queue: body, queue entry and wake token in one atomic step.
--
-- KEYS  1 the queue
-- ARGV  1 most wake tokens to leave, 2 seconds that a batch outlives its last change, 3 the queue's name,
--       4 'fresh' if all jobs are due now, with fresh random ids, and sent for the first time:
--       then two fields a job, id and body. Otherwise '', then ten fields a job:
--       id, body, due (Unix ms, or '' for none), delay (ms from now, or '' for none),
--       mode: 'new' (a fresh random id), 'unique' (refused while a job of that id is pending or dead),
--             'arq' (refused as well while a result of that id is kept),
--       ms until the body expires ('' for never), batch ('' for none), schedule and its tick ('' for none),
--       attempts that count as spent ('' for none)
-- Returns for each job 1 if it is enqueued, 0 if it was there already; of fresh ones, 1 if all are enqueued, and 0
-- if none is, as an id was there: they are to be sent in full.
--
-- Keeps: a body never stands without a queue entry (or a dead one); a call repeated after a lost
-- reply finds its own body, or its result, and answers as the first time; a schedule's tick is enqueued once.
local queue = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local replies, ready = {}, 0

local function wake()
  local cap = tonumber(ARGV[1])
  local tokens = {}
  for i = 1, math.min(ready, cap) do
    tokens[i] = '1'
  end
  redis.call('LPUSH', queue .. ':wake', unpack(tokens))
  redis.call('LTRIM', queue .. ':wake', 0, cap - 1)
end

if ARGV[4] == 'fresh' then
  local bodies, entries = {}, {}
  for at = 5, #ARGV, 2 do
    bodies[at - 4], bodies[at - 3] = 'arq:job:' .. ARGV[at], ARGV[at + 1]
    entries[at - 4], entries[at - 3] = string.format('%.4f', now + ready * 0.00025), ARGV[at]
    ready = ready + 1
  end
  if redis.call('MSETNX', unpack(bodies)) == 0 then
    return 0
  end
  redis.call('ZADD', queue, unpack(entries))
  wake()
  return 1
end

local function taken(id, body, mode)
  if mode == 'new' then
    -- Of a fresh random id nothing is there, unless this very call was made before, and its job has run.
    local there = redis.call('MGET', 'arq:job:' .. id, 'arq:result:' .. id)
    return (there[1] or there[2]) and true or false, not there[1] or there[1] == body
  end
  local found = redis.call('GET', 'arq:job:' .. id)
  if found then
    return true, found == body
  end
  if mode == 'arq' then
    return redis.call('EXISTS', 'arq:result:' .. id) == 1, false
  end
  return false, false
end

local function ticked(schedule, tick)
  if schedule == '' then
    return false
  end
  local last = redis.call('HGET', 'arq:ticks', schedule)
  if last and tonumber(last) >= tonumber(tick) then
    return true
  end
  redis.call('HSET', 'arq:ticks', schedule, tick)
  return false
end

for at = 5, #ARGV, 10 do
  local id, body, due, delay, mode = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local expires, batch, spent = ARGV[at + 5], ARGV[at + 6], ARGV[at + 9]
  local present, repeated = taken(id, body, mode)
  if present then
    replies[#replies + 1] = repeated and 1 or 0
  elseif ticked(ARGV[at + 7], ARGV[at + 8]) then
    replies[#replies + 1] = 0
  else
    -- Jobs of one call keep their order: a score of today resolves a quarter of a microsecond.
    -- By arq's clock of whole milliseconds a fraction would lie in the future: "deferred".
    local score = mode == 'arq' and math.floor(now) or now + #replies * 0.00025
    if due ~= '' then
      score = tonumber(due)
    elseif delay ~= '' then
      score = now + tonumber(delay)
    end
    if expires == '' then
      redis.call('SET', 'arq:job:' .. id, body)
    else
      redis.call('SET', 'arq:job:' .. id, body, 'PX', expires)
    end
    if mode ~= 'new' then
      redis.call('DEL', 'arq:result:' .. id, 'arq:history:' .. id)
      redis.call('ZREM', 'arq:abort', id)
    end
    if spent ~= '' then
      redis.call('SET', 'arq:retry:' .. id, spent)
    end
    redis.call('ZADD', queue, string.format('%.4f', score), id)
    if batch ~= '' then
      redis.call('HINCRBY', 'arq:batch:' .. batch, ARGV[3] .. '|total', 1)
      redis.call('EXPIRE', 'arq:batch:' .. batch, ARGV[2])
    end
    -- The earliest of all that wait: a worker sets its clock by it.
    if score <= now + 1 or redis.call('ZRANGE', queue, 0, 0)[1] == id then
      ready = ready + 1
    end
    replies[#replies + 1] = 1
  end
end

if ready > 0 then
  wake()
end
return replies
