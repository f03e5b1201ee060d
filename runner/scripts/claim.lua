-- Take jobs that are due: mark each as held by a token and move it to the end of its lease.
--
-- KEYS  1 the queue
-- ARGV  1 most jobs to take, 2 lease in ms, 3 token of this claim (never used before),
--       4 id of the worker, which its tokens begin with,
--       5 '|ahead…' if they are not started at once (see ahead.py), otherwise '',
--       then tokens of earlier claims of it whose answer never arrived,
--       then '' and ids that rest because their name was unknown elsewhere: they are taken first
-- Returns {now, next due (Unix ms, -1 for none, or -2 if the queue is paused), then six fields a job:
--          id, body or false, attempts spent, crashes so far if its last holder was lost (else 0, and
--          -1 if the worker that asks was its last holder), due,
--          1 if somebody asked to abort it (else 0)}
--
-- Keeps: a job that is claimed is out of other workers' way until its lease ends, and comes due
-- again by itself; what is due and yet in progress is passed over, however much of it stands at the
-- head: a stock arq worker holds it, or a stock arq client rewrote its time; a lapsed lease counts as
-- a crash, never as an attempt, unless its worker is the one that asks, has offered the job, or had not
-- started it; a claim whose answer was lost gives its jobs back without a crash.
local queue, limit, lease, token = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local own, mark = ARGV[4] .. ':', ARGV[5]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local now_text = string.format('%.4f', now)
local running = queue .. ':running'
local resting_from = 6
while ARGV[resting_from] and ARGV[resting_from] ~= '' do
  resting_from = resting_from + 1
end
if resting_from > 6 then
  local unanswered = {}
  for i = 6, resting_from - 1 do
    unanswered[ARGV[i]] = true
  end
  local held = redis.call('HGETALL', running)
  for i = 1, #held, 2 do
    if unanswered[string.match(held[i + 1], '^[^|]*')] then
      redis.call('HDEL', running, held[i])
      redis.call('DEL', 'arq:in-progress:' .. held[i])
      redis.call('ZADD', queue, now_text, held[i])
    end
  end
end
if redis.call('EXISTS', queue .. ':paused') == 1 then
  return { now_text, '-2' }
end
local ids, owners, scores, taken = {}, {}, {}, {}
for i = resting_from + 1, #ARGV do
  local id = ARGV[i]
  local due = #ids < limit and redis.call('HDEL', queue .. ':unknown', id) == 1 and redis.call('ZSCORE', queue, id)
  if due and redis.call('EXISTS', 'arq:in-progress:' .. id) == 0 then
    ids[#ids + 1], owners[#ids + 1], scores[#ids + 1] = id, false, tonumber(due) < now and due or now_text
    taken[id] = true
  end
end
local offset, exhausted = 0, false
while #ids < limit and not exhausted do
  local due = redis.call('ZRANGEBYSCORE', queue, '-inf', now_text, 'WITHSCORES', 'LIMIT', offset, limit)
  local found = #due / 2
  exhausted = found < limit
  offset = offset + found
  if found > 0 then
    local names, held_keys = {}, {}
    for i = 1, found do
      names[i] = due[2 * i - 1]
      held_keys[i] = 'arq:in-progress:' .. names[i]
    end
    local known = redis.call('HMGET', running, unpack(names))
    local held = redis.call('MGET', unpack(held_keys))
    for i = 1, found do
      if #ids < limit and not held[i] and not taken[names[i]] then
        ids[#ids + 1], owners[#ids + 1], scores[#ids + 1] = names[i], known[i], due[2 * i]
      end
    end
  end
end

local reply = { now_text, '-1' }
if #ids > 0 then
  local body_keys, retry_keys, entries, tokens = {}, {}, {}, {}
  -- Due again when the mark below is gone for sure.
  local until_ms = string.format('%.0f', now + lease + 2)
  for i, id in ipairs(ids) do
    body_keys[i] = 'arq:job:' .. id
    retry_keys[i] = 'arq:retry:' .. id
    entries[2 * i - 1], entries[2 * i] = until_ms, id
    tokens[2 * i - 1], tokens[2 * i] = id, token .. mark
    redis.call('SET', 'arq:in-progress:' .. id, token, 'PX', lease)
  end
  redis.call('ZADD', queue, unpack(entries))
  redis.call('HSET', running, unpack(tokens))
  local bodies = redis.call('MGET', unpack(body_keys))
  local spent = redis.call('MGET', unpack(retry_keys))
  local aborting = redis.call('EXISTS', 'arq:abort') == 1
  local parked = redis.call('EXISTS', queue .. ':unknown') == 1
  for i, id in ipairs(ids) do
    local crashes = 0
    if owners[i] and string.sub(owners[i], 1, #own) == own then
      crashes = -1
    elseif owners[i] and not string.find(owners[i], '|', 1, true) then
      crashes = redis.call('HINCRBY', queue .. ':crashes', id, 1)
    end
    if spent[i] then
      redis.call('ZREM', queue .. ':retrying', id)
    end
    if parked then
      redis.call('HDEL', queue .. ':unknown', id)
    end
    local at = #reply
    reply[at + 1], reply[at + 2], reply[at + 3] = id, bodies[i], tonumber(spent[i] or '0') or 0
    reply[at + 4], reply[at + 5] = crashes, scores[i]
    reply[at + 6] = aborting and redis.call('ZREM', 'arq:abort', id) or 0
  end
end

if #ids < limit then
  -- Nothing is left to wake anybody for.
  redis.call('DEL', queue .. ':wake')
  local next_due = redis.call('ZRANGEBYSCORE', queue, '(' .. now_text, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if next_due[2] then
    reply[2] = next_due[2]
  end
end
return reply
