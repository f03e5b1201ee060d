-- Count the jobs of a queue by state, by Redis's clock.
--
-- KEYS  1 the queue
-- Returns a GAUGES.
--
-- Keeps: it only reads, and its cost does not grow with the queue. What has another type is counted as -1.
local queue = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local now_text = string.format('%.4f', now)

local function count(command, key, ...)
  local found = redis.pcall(command, key, ...)
  return type(found) == 'number' and found or -1
end

local function sum(a, b)
  return a < 0 and a or b < 0 and b or a + b
end

local suspects = queue .. ':suspects'

-- When the job was due that has been due the longest, among the first of the queue.
local function oldest_due()
  local uses_them = redis.call('EXISTS', queue .. ':ahead') == 1
  local most = uses_them and FLOW_STEP or 1
  local found = redis.pcall('ZRANGEBYSCORE', queue, '-inf', now_text, 'WITHSCORES', 'LIMIT', 0, most)
  if not uses_them or not found[1] then
    return tonumber(found[2])
  end
  local ids, oldest = {}, math.huge
  for i = 1, #found, 2 do
    ids[#ids + 1] = found[i]
  end
  local ahead = redis.pcall('HMGET', queue .. ':ahead', unpack(ids))
  for i = 1, #ids do
    oldest = math.min(oldest, due_of_score(tonumber(found[2 * i]), ahead[i]))
    if not ahead[i] then
      break
    end
  end
  return oldest
end

local oldest = oldest_due()
local gauges, first = {}, 1
gauges[first + GAUGES.due] =
  sum(count('ZCOUNT', queue, '-inf', now_text), count('ZCOUNT', suspects, '-inf', now_text))
gauges[first + GAUGES.total] = sum(count('ZCARD', queue), count('ZCARD', suspects))
gauges[first + GAUGES.retrying] = count('ZCOUNT', queue .. ':retrying', '(' .. now_text, '+inf')
gauges[first + GAUGES.running] = count('HLEN', queue .. ':running')
gauges[first + GAUGES.dead] = count('ZCARD', queue .. ':dead')
gauges[first + GAUGES.done] = count('ZCARD', queue .. ':done')
gauges[first + GAUGES.parked] = count('ZCARD', queue .. ':parked')
gauges[first + GAUGES.waiting] = count('ZCARD', queue .. ':waiting')
gauges[first + GAUGES.oldest_wait_ms] = oldest and math.floor(now - math.max(0, oldest)) or 0
gauges[first + GAUGES.paused] = redis.call('EXISTS', queue .. ':paused')
return gauges
