-- Priorities, which are head starts, for the scripts that name this part. It is no script by itself.
--
-- Keeps: once a job with a head start is due, it stands in its queue as if it had been due for so much longer, and so
-- comes before what has waited less long; never before it is due. `:ahead` of a queue says of each such job by how many
-- ms, and the due time from which that was taken off: as long as its score is that much less, it was due then.
-- `:later` has the times at which others come due that are to get theirs; a claim gives it to them. An entry that is not
-- true any more is harmless.
local has_ahead = {}

local function uses_ahead(queue)
  if has_ahead[queue] == nil then
    has_ahead[queue] = redis.call('EXISTS', queue .. ':ahead') == 1
  end
  return has_ahead[queue]
end

local function read_ahead(text)
  local ms, due = string.match(text or '', '^(%d+)|([%d.]*)$')
  return tonumber(ms), tonumber(due)
end

-- When a job was due that stands at this score; text: its entry of `:ahead`.
local function due_of_score(score, text)
  local ms, due = read_ahead(text)
  return due and math.abs(math.max(0, due - ms) - score) < 0.001 and due or score
end

local function put_ahead(queue, id, due, ms)
  redis.call('ZADD', queue, string.format('%.4f', math.max(0, due - ms)), id)
  redis.call('HSET', queue .. ':ahead', id, string.format('%.0f|%.4f', ms, due))
end

-- When a job was due that is claimed from this score, and its score from then on. If Redis's clock was set back since it
-- was due, it is due now.
local function was_due(queue, id, score, text, now)
  local due = due_of_score(score, text)
  if due > now then
    local ms = read_ahead(text)
    due, score = now, math.max(0, now - ms)
    redis.call('HSET', queue .. ':ahead', id, string.format('%.0f|%.4f', ms, due))
  end
  return string.format('%.4f', due), string.format('%.4f', score)
end

-- A job stands in its queue since now, due then, or has got this due time there.
local function go_ahead(queue, id, due, now)
  local text = uses_ahead(queue) and redis.call('HGET', queue .. ':ahead', id)
  local ms = read_ahead(text)
  if not ms or due_of_score(due, text) ~= due then
    return
  end
  local is_due = due <= now
  if not is_due then
    redis.call('ZADD', queue .. ':later', string.format('%.4f', due), id)
  else
    put_ahead(queue, id, due, ms)
  end
end

-- A new job gets a head start of so many ms. due: when it is due if it stands in its queue; nil if it waits outside.
local function give_head_start(queue, id, ms, due, now)
  has_ahead[queue] = true
  -- Jobs of one call keep their order by parts of a millisecond.
  if due and due <= now + 1 then
    put_ahead(queue, id, due, ms)
    return
  end
  redis.call('HSET', queue .. ':ahead', id, string.format('%.0f|', ms))
  if due then
    redis.call('ZADD', queue .. ':later', string.format('%.4f', due), id)
  end
end

-- Where a script has put a job: its score in its queue, nil if it waits outside.
local function stands_at(queue, id)
  return tonumber(redis.call('ZSCORE', queue, id) or nil)
end

-- The head starts of jobs that have come due, of a bounded number of them.
local function give_due_head_starts(queue, now)
  local later = queue .. ':later'
  local found = redis.call('ZRANGEBYSCORE', later, '-inf', string.format('%.4f', now), 'LIMIT', 0, FLOW_STEP)
  if #found == 0 then
    return
  end
  local scores = redis.call('ZMSCORE', queue, unpack(found))
  local held = redis.call('HMGET', queue .. ':running', unpack(found))
  redis.call('ZREM', later, unpack(found))
  for i, id in ipairs(found) do
    if scores[i] and not held[i] then
      go_ahead(queue, id, tonumber(scores[i]), now)
    end
  end
end

-- A job leaves its queue; dead_id: under which it goes on if it has died, and may be retried.
local function leave_ahead(queue, id, dead_id)
  if dead_id == id then
    return
  end
  local text = dead_id and redis.call('HGET', queue .. ':ahead', id)
  redis.call('HDEL', queue .. ':ahead', id)
  redis.call('ZREM', queue .. ':later', id)
  if text then
    redis.call('HSET', queue .. ':ahead', dead_id, text)
  end
end

-- A job goes on under another id, or in another queue; it comes into its queue afterwards.
local function carry_ahead(queue, id, target, new_id)
  local text = (queue ~= target or id ~= new_id) and uses_ahead(queue) and redis.call('HGET', queue .. ':ahead', id)
  if text then
    leave_ahead(queue, id)
    redis.call('HSET', target .. ':ahead', new_id, text)
    has_ahead[target] = true
  end
end
