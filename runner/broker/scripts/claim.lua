-- Claim jobs that are due: mark each as held under a token, and make it due again when its lease ends.
--
-- KEYS  1 the queue
-- ARGV  ClaimHead, then what it names
-- Returns {now, next due (Unix ms; -1 if none, -2 if the queue is paused), an EXTRA for each job that has spent
--          attempts, crashes or an abort, 1 if jobs are parked, otherwise 0; then a CLAIMED for each job}
--
-- Keeps: no worker sees a claimed job as due until its lease ends, and then it is due by itself. A job that is due
-- and in progress is passed over, however many of them are at the head of the queue: a stock arq worker holds it, or
-- a stock arq client changed its time. A lapsed lease counts as a crash, never as an attempt, unless its holder is
-- the worker that claims, has offered the job, or had not started it. A claim whose answer was lost gives its jobs
-- back without a crash.
local queue, limit, token = KEYS[1], tonumber(ARGV[HEAD.limit]), ARGV[HEAD.token]
local lease = tonumber(ARGV[HEAD.lease_ms])
local own, mark = ARGV[HEAD.worker_id] .. ':', ARGV[HEAD.mark]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local now_text = string.format('%.4f', now)
local running = queue .. ':running'
local first = HEAD.size + 1
local labels_from = first
while ARGV[labels_from] and ARGV[labels_from] ~= '' do
  labels_from = labels_from + 1
end
if labels_from > first then
  local unanswered = {}
  for i = first, labels_from - 1 do
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
  return { now_text, '-2', {}, 0 }
end
local ids, marks, owners, scores = {}, {}, {}, {}
for i = labels_from + 1, #ARGV do
  local of_label = queue .. ':parked:' .. ARGV[i]
  local found = #ids < limit and redis.call('ZRANGE', of_label, 0, limit - #ids - 1, 'WITHSCORES') or {}
  for j = 1, #found, 2 do
    local n, id = #ids + 1, found[j]
    ids[n], marks[n], owners[n], scores[n] = id, 'arq:in-progress:' .. id, false, found[j + 1]
    redis.call('ZREM', of_label, id)
    redis.call('ZREM', queue .. ':parked', id)
    redis.call('HDEL', queue .. ':unknown', id)
  end
  if redis.call('EXISTS', of_label) == 0 then
    redis.call('SREM', queue .. ':parked-names', ARGV[i])
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
    local n = #ids
    for i = 1, found do
      if n < limit and not held[i] then
        n = n + 1
        ids[n], marks[n], owners[n], scores[n] = names[i], held_keys[i], known[i], due[2 * i]
      end
    end
  end
end

local extras = {}
local reply = { now_text, '-1', extras, redis.call('EXISTS', queue .. ':parked') }
if #ids > 0 then
  local body_keys, retry_keys, entries, tokens = {}, {}, {}, {}
  -- By then the key set below has certainly expired.
  local until_ms = string.format('%.0f', now + lease + 2)
  local marked = token .. mark
  for i, id in ipairs(ids) do
    body_keys[i] = 'arq:job:' .. id
    retry_keys[i] = 'arq:retry:' .. id
    entries[2 * i - 1], entries[2 * i] = until_ms, id
    tokens[2 * i - 1], tokens[2 * i] = id, marked
    redis.call('SET', marks[i], token, 'PX', ARGV[HEAD.lease_ms])
  end
  redis.call('ZADD', queue, unpack(entries))
  redis.call('HSET', running, unpack(tokens))
  local bodies = redis.call('MGET', unpack(body_keys))
  local spent = redis.call('MGET', unpack(retry_keys))
  local aborting = redis.call('EXISTS', 'arq:abort') == 1
  for i, id in ipairs(ids) do
    local at = 5 + (i - 1) * CLAIMED.size
    reply[at + CLAIMED.id], reply[at + CLAIMED.body], reply[at + CLAIMED.due_ms] = id, bodies[i], scores[i]
    local owner, crashes = owners[i], 0
    if owner then
      if string.sub(owner, 1, #own) == own then
        crashes = -1
      elseif not string.find(owner, '|', 1, true) then
        crashes = redis.call('HINCRBY', queue .. ':crashes', id, 1)
      end
    end
    if spent[i] then
      redis.call('ZREM', queue .. ':retrying', id)
    end
    local aborted = aborting and redis.call('ZREM', 'arq:abort', id) or 0
    if spent[i] or crashes ~= 0 or aborted ~= 0 then
      local at = #extras + 1
      extras[at + EXTRA.place], extras[at + EXTRA.spent] = i, tonumber(spent[i] or '0') or 0
      extras[at + EXTRA.crashes], extras[at + EXTRA.aborted] = crashes, aborted
    end
  end
end

if #ids < limit then
  -- No job is left to wake a worker for.
  redis.call('DEL', queue .. ':wake')
  local next_due = redis.call('ZRANGEBYSCORE', queue, '(' .. now_text, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if next_due[2] then
    reply[2] = next_due[2]
  end
end
return reply
