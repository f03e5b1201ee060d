-- Record how attempts ended and give up their claims, all in one atomic step.
--
-- KEYS  1 the queue
-- ARGV  1 the queue's name, 2 seconds that a batch outlives its last change,
--       then eight fields an outcome:
--       kind: 'done', 'retry', 'dead', 'release', 'abort', 'fail' (over without success), 'unclaim' (it was not
--       started, and is due as it was), or 'offer' (not over: whoever claims it may have it, without a crash; until
--       then it is the holder's to settle); job id; token of the claim;
--       ms: retry and release: delay from now; unclaim: when it was due, Unix ms; otherwise how long the result is
--       kept (-1 for ever, 0 not);
--       result ('' for none); entry for the history, or the unknown name of a released job ('' for none);
--       attempts now spent; batch ('' for none)
-- Returns the positions (from 1) of the outcomes whose claim was lost: for them nothing was written.
--
-- Keeps: only the holder of a job's present token writes, and only while no stock arq worker, which knows
-- nothing of tokens, has taken the job since its lease lapsed; a job is in exactly one state afterwards.
local queue, name, batch_ttl = KEYS[1], ARGV[1], ARGV[2]
local running = queue .. ':running'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local lost, over, over_keys = {}, {}, {}
local ready = 0

local ids, mark_keys, owners, marks = {}, {}, {}, {}
for at = 3, #ARGV, 8 do
  local id = ARGV[at + 1]
  ids[#ids + 1], mark_keys[#mark_keys + 1] = id, 'arq:in-progress:' .. id
end
if #ids > 0 then
  owners = redis.call('HMGET', running, unpack(ids))
  marks = redis.call('MGET', unpack(mark_keys))
end

local function holds(i, token)
  local owner = owners[i]
  if owner ~= token and owner ~= token .. '|offered' and owner ~= token .. '|ahead' then
    return false
  end
  if marks[i] == token or (not marks[i] and redis.call('ZSCORE', queue, ids[i])) then
    return true
  end
  -- A stock arq worker has it, or has done it.
  redis.call('HDEL', running, ids[i])
  return false
end

local function count(batch, state, by)
  if batch ~= '' then
    redis.call('HINCRBY', 'arq:batch:' .. batch, name .. '|' .. state, by)
    redis.call('EXPIRE', 'arq:batch:' .. batch, batch_ttl)
  end
end

local function later(delay)
  return string.format('%.4f', now + tonumber(delay))
end

local function keep_result(id, ms, result)
  if result ~= '' and ms ~= '0' then
    if ms == '-1' then
      redis.call('SET', 'arq:result:' .. id, result)
    else
      redis.call('SET', 'arq:result:' .. id, result, 'PX', ms)
    end
  end
end

local function back(id, due)
  redis.call('ZADD', queue, due, id)
  redis.call('DEL', 'arq:in-progress:' .. id)
  redis.call('HDEL', running, id)
end

local settled = {}
for i, id in ipairs(ids) do
  local at = 3 + (i - 1) * 8
  local kind, token, ms, result = ARGV[at], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local entry, spent, batch = ARGV[at + 5], ARGV[at + 6], ARGV[at + 7]
  if settled[id] or not holds(i, token) then
    lost[#lost + 1] = i
  elseif kind == 'offer' then
    back(id, later(0))
    redis.call('HSET', running, id, token .. '|offered')
    ready = ready + 1
  else
    settled[id] = true
    if kind == 'done' or kind == 'abort' or kind == 'fail' then
      keep_result(id, ms, result)
      count(batch, kind == 'done' and 'done' or kind == 'abort' and 'aborted' or 'failed', 1)
      over[#over + 1] = id
      local n = #over_keys
      over_keys[n + 1], over_keys[n + 2] = 'arq:job:' .. id, 'arq:retry:' .. id
      over_keys[n + 3], over_keys[n + 4] = mark_keys[i], 'arq:history:' .. id
    elseif kind == 'retry' then
      redis.call('RPUSH', 'arq:history:' .. id, entry)
      redis.call('SET', 'arq:retry:' .. id, spent)
      redis.call('ZADD', queue .. ':retrying', later(ms), id)
      back(id, later(ms))
      count(batch, 'retries', 1)
    elseif kind == 'dead' then
      keep_result(id, ms, result)
      redis.call('RPUSH', 'arq:history:' .. id, entry)
      redis.call('SET', 'arq:retry:' .. id, spent)
      -- A stock arq client lets bodies expire; a dead job is kept until somebody decides.
      redis.call('PERSIST', 'arq:job:' .. id)
      redis.call('ZREM', queue, id)
      redis.call('ZADD', queue .. ':dead', string.format('%.0f', now), id)
      redis.call('DEL', 'arq:in-progress:' .. id)
      redis.call('HDEL', running, id)
      redis.call('ZREM', 'arq:abort', id)
      if batch ~= '' then
        redis.call('SADD', 'arq:batch:' .. batch .. ':dead', name .. '|' .. id)
        redis.call('EXPIRE', 'arq:batch:' .. batch .. ':dead', batch_ttl)
      end
      count(batch, 'dead', 1)
    elseif kind == 'release' or kind == 'unclaim' then
      local due = kind == 'release' and later(ms) or ms
      back(id, due)
      if entry ~= '' then
        redis.call('HSET', queue .. ':unknown', id, entry)
      end
      if spent ~= '0' then
        redis.call('ZADD', queue .. ':retrying', due, id)
      end
      ready = ready + ((ms == '0' or kind == 'unclaim') and 1 or 0)
    end
  end
end

if #over > 0 then
  redis.call('DEL', unpack(over_keys))
  redis.call('ZREM', queue, unpack(over))
  redis.call('HDEL', running, unpack(over))
  redis.call('ZREM', 'arq:abort', unpack(over))
  redis.call('HDEL', queue .. ':crashes', unpack(over))
end
if ready > 0 then
  local tokens = {}
  for i = 1, math.min(ready, 64) do
    tokens[i] = '1'
  end
  redis.call('LPUSH', queue .. ':wake', unpack(tokens))
  redis.call('LTRIM', queue .. ':wake', 0, 63)
end
return lost
