-- Where a job stands, for the scripts that name this part. It is no script by itself.

-- Returns 'running', 'waiting' or 'dead', or nil if it stands nowhere in this queue.
local function place_of(queue, id)
  -- What runs stands in its queue, too: a stock arq worker that ends a job leaves the mark of a claim behind.
  if redis.call('ZSCORE', queue, id) then
    if redis.call('HEXISTS', queue .. ':running', id) == 1 then
      return 'running'
    end
    -- In progress, but without a token: a stock arq worker runs it.
    return redis.call('EXISTS', base .. 'in-progress:' .. id) == 1 and 'running' or 'waiting'
  end
  for _, suffix in ipairs({ ':suspects', ':parked', ':waiting' }) do
    if redis.call('ZSCORE', queue .. suffix, id) then
      return 'waiting'
    end
  end
  return redis.call('ZSCORE', queue .. ':dead', id) and 'dead' or nil
end

-- Returns whether it was parked.
local function unpark_one(queue, id)
  if redis.call('ZREM', queue .. ':parked', id) == 0 then
    return false
  end
  local label = redis.call('HGET', queue .. ':unknown', id) or ''
  redis.call('HDEL', queue .. ':unknown', id)
  redis.call('ZREM', queue .. ':parked:' .. label, id)
  if redis.call('EXISTS', queue .. ':parked:' .. label) == 0 then
    redis.call('SREM', queue .. ':parked-names', label)
  end
  return true
end

local function wake_many(queue, jobs)
  local tokens = {}
  for i = 1, math.min(jobs, WAKE_TOKENS) do
    tokens[i] = '1'
  end
  redis.call('LPUSH', queue .. ':wake', unpack(tokens))
  redis.call('LTRIM', queue .. ':wake', 0, WAKE_TOKENS - 1)
end

local function wake_one(queue)
  wake_many(queue, 1)
end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
end
