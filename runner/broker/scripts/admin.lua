-- Change one job that waits or is dead, as an operator or its caller asks.
--
-- KEYS  1 the queue
-- ARGV  AdminHead
-- Returns the state that the job was in: 'waiting', 'dead', 'running' or 'gone'.
--
-- Keeps: the job is in exactly one state afterwards. A running job belongs to its worker, and is only asked to stop
-- (by 'abort'). An action on a job that has moved on changes nothing, so it may be repeated.
local queue, action, id = KEYS[1], ARGV[HEAD.action], ARGV[HEAD.id]
local name, batch_ttl = ARGV[HEAD.queue], ARGV[HEAD.batch_ttl_s]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local now_text = string.format('%.4f', now)

local function found_in()
  if redis.call('HEXISTS', queue .. ':running', id) == 1 then
    return 'running'
  end
  if redis.call('ZSCORE', queue, id) then
    -- In progress, but without a token: a stock arq worker runs it.
    return redis.call('EXISTS', 'arq:in-progress:' .. id) == 1 and 'running' or 'waiting'
  end
  if redis.call('ZSCORE', queue .. ':suspects', id) then
    return 'waiting'
  end
  return redis.call('ZSCORE', queue .. ':dead', id) and 'dead' or 'gone'
end

local state = found_in()
if state == 'gone' then
  return state
end
if state == 'running' then
  if action == 'abort' then
    redis.call('ZADD', 'arq:abort', string.format('%.0f', now), id)
  end
  return state
end

local function batch_of()
  local body = redis.call('GET', 'arq:job:' .. id)
  local readable, envelope = pcall(cjson.decode, body or '')
  if readable and type(envelope) == 'table' and type(envelope.b) == 'string' then
    return envelope.b
  end
  return nil
end

local function count(batch, field, by)
  if batch then
    redis.call('HINCRBY', 'arq:batch:' .. batch, name .. '|' .. field, by)
    redis.call('EXPIRE', 'arq:batch:' .. batch, batch_ttl)
  end
end

local function leave_dead(batch)
  redis.call('ZREM', queue .. ':dead', id)
  if batch then
    redis.call('SREM', 'arq:batch:' .. batch .. ':dead', name .. '|' .. id)
    count(batch, 'dead', -1)
  end
end

local function forget()
  redis.call('ZREM', queue, id)
  redis.call('ZREM', queue .. ':suspects', id)
  redis.call('ZREM', queue .. ':retrying', id)
  redis.call('HDEL', queue .. ':unknown', id)
  redis.call('HDEL', queue .. ':crashes', id)
  redis.call('ZREM', 'arq:abort', id)
  redis.call('DEL', 'arq:job:' .. id, 'arq:retry:' .. id)
end

-- 0, not absent: settling looks for a history, which stays, only if attempts are stored.
local function attempts_back()
  redis.call('SET', 'arq:retry:' .. id, '0')
  redis.call('DEL', 'arq:result:' .. id)
end

local function place()
  return redis.call('ZSCORE', queue .. ':suspects', id) and queue .. ':suspects' or queue
end

local function wait_until(due)
  redis.call('ZADD', place(), due, id)
  if redis.call('ZSCORE', queue .. ':retrying', id) then
    redis.call('ZADD', queue .. ':retrying', due, id)
  end
  redis.call('HDEL', queue .. ':unknown', id)
  if tonumber(due) <= now then
    redis.call('LPUSH', queue .. ':wake', '1')
    redis.call('LTRIM', queue .. ':wake', 0, WAKE_TOKENS - 1)
  end
end

local batch = batch_of()
if action == 'run' or action == 'reschedule' then
  if state == 'dead' then
    leave_dead(batch)
    attempts_back()
    redis.call('HDEL', queue .. ':crashes', id)
  end
  local due = ARGV[HEAD.due_ms]
  if action == 'run' then
    -- A job that is due already keeps its place.
    local score = redis.call('ZSCORE', place(), id)
    due = score and tonumber(score) <= now and score or now_text
  end
  wait_until(due)
elseif action == 'bury' and state == 'waiting' then
  redis.call('ZREM', queue, id)
  redis.call('ZREM', queue .. ':suspects', id)
  redis.call('ZREM', queue .. ':retrying', id)
  redis.call('HDEL', queue .. ':unknown', id)
  redis.call('ZREM', 'arq:abort', id)
  redis.call('PERSIST', 'arq:job:' .. id)
  redis.call('RPUSH', 'arq:history:' .. id, ARGV[HEAD.entry])
  redis.call('SETNX', 'arq:retry:' .. id, '0')
  redis.call('ZADD', queue .. ':dead', string.format('%.0f', now), id)
  if batch then
    redis.call('SADD', 'arq:batch:' .. batch .. ':dead', name .. '|' .. id)
    redis.call('EXPIRE', 'arq:batch:' .. batch .. ':dead', batch_ttl)
    count(batch, 'dead', 1)
  end
elseif action == 'delete' or (action == 'trim' and state == 'dead') then
  if state == 'dead' then
    leave_dead(batch)
    redis.call('DEL', 'arq:result:' .. id)
  end
  forget()
  redis.call('DEL', 'arq:history:' .. id)
  count(batch, 'total', -1)
elseif action == 'move' then
  local target, target_name = ARGV[HEAD.target_key], ARGV[HEAD.target]
  local due = redis.call('ZSCORE', place(), id) or now_text
  local retry = redis.call('ZSCORE', queue .. ':retrying', id)
  if state == 'dead' then
    leave_dead(batch)
    attempts_back()
  end
  redis.call('ZREM', queue, id)
  redis.call('ZREM', queue .. ':suspects', id)
  redis.call('ZREM', queue .. ':retrying', id)
  redis.call('HDEL', queue .. ':unknown', id)
  redis.call('HDEL', queue .. ':crashes', id)
  redis.call('ZADD', target, due, id)
  if retry then
    redis.call('ZADD', target .. ':retrying', retry, id)
  end
  count(batch, 'total', -1)
  if batch then
    redis.call('HINCRBY', 'arq:batch:' .. batch, target_name .. '|total', 1)
  end
  redis.call('LPUSH', target .. ':wake', '1')
  redis.call('LTRIM', target .. ':wake', 0, WAKE_TOKENS - 1)
elseif action == 'abort' and state == 'waiting' then
  forget()
  local keep_ms = ARGV[HEAD.keep_ms]
  if keep_ms ~= '0' then
    redis.call('SET', 'arq:result:' .. id, ARGV[HEAD.result], 'PX', keep_ms)
    redis.call('PEXPIRE', 'arq:history:' .. id, keep_ms)
  else
    redis.call('DEL', 'arq:history:' .. id)
  end
  count(batch, 'aborted', 1)
end
return state
