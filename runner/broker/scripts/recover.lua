-- Put jobs back whose leases lapsed, or whose claim never reached its worker.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  RecoverHead, then ids of jobs
-- Returns how many were put back.
--
-- Keeps: a job goes back to the due time that it has had from the first. One that had started counts a crash, unless
-- it did not run alone and has one already, or its own worker asks, which lives; with a crash it waits among the
-- suspects, outside the queue, to run alone. No job whose lease was renewed is touched. A claim whose answer was lost
-- has no effect after this, even if it reaches Redis later.
local queue, unanswered, finished = KEYS[1], ARGV[HEAD.unanswered], ARGV[HEAD.finished]
local own = ARGV[HEAD.worker_id] .. ':'
local running, suspects = queue .. ':running', queue .. ':suspects'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local back = 0

if unanswered ~= '' then
  redis.call('SET', base .. 'revoked:' .. unanswered, '1', 'PX', REVOKED_MS)
end

local function put_back(id, owner, score)
  -- It was due when it was claimed: not in the future, though Redis's clock may have been set back since.
  local due = math.max(0, math.min(now, tonumber(string.match(owner, '^[^|]*|([%d.e+-]+)')) or score or now))
  local due_text = string.format('%.4f', due)
  local is_suspect = string.find(owner, '|alone', 1, true) ~= nil
  if has_started(owner, id) and string.sub(owner, 1, #own) ~= own then
    local entries = crashes_of(queue, id, now)
    if #entries == 0 or is_suspect then
      entries[#entries + 1] = string.format('%.0f', now) .. '=' .. string.match(owner, '^[^|]*')
    end
    keep_crashes(queue, id, entries)
    is_suspect = true
  end
  redis.call('HDEL', running, id)
  if is_suspect then
    out_of_reach(id)
    redis.call('ZREM', queue, id)
  else
    redis.call('DEL', base .. 'in-progress:' .. id)
  end
  redis.call('ZADD', is_suspect and suspects or queue, due_text, id)
  if (tonumber(text_at(base .. 'retry:' .. id) or nil) or 0) > 0 then
    redis.call('ZADD', queue .. ':retrying', due_text, id)
  end
  back = back + 1
end

-- Whether a stock arq worker runs it. The claim's own mark is no sign of life: it goes with the lease, but only a
-- millisecond later, as Redis counts them, and whoever looks for the jobs of a lost worker looks no second time.
local function is_elsewhere(id, owner)
  local mark = text_at(base .. 'in-progress:' .. id)
  return mark and mark ~= string.match(owner, '^[^|]*')
end

for at = HEAD.size + 1, #ARGV do
  local id = ARGV[at]
  local owner = redis.call('HGET', running, id)
  if owner then
    local score = tonumber(redis.call('ZSCORE', queue, id) or nil)
    if unanswered ~= '' then
      if string.match(owner, '^[^|]*') == unanswered then
        local mark = text_at(base .. 'in-progress:' .. id)
        if mark == unanswered or (not mark and score) then
          put_back(id, owner, score)
        else
          -- A stock arq worker runs it, or has run it.
          redis.call('HDEL', running, id)
        end
      end
    elseif not string.find(owner, '|offered', 1, true) and not is_elsewhere(id, owner) then
      if not score then
        -- A stock arq worker has run it.
        redis.call('HDEL', running, id)
      elseif score <= now then
        put_back(id, owner, score)
      end
    end
  end
end

if finished ~= '' then
  local ends = redis.call('ZSCORE', queue .. ':holders', finished)
  if ends and tonumber(ends) <= now then
    redis.call('ZREM', queue .. ':holders', finished)
    redis.call('HDEL', queue .. ':late', finished)
  end
end
if back > 0 then
  local tokens = {}
  for i = 1, math.min(back, WAKE_TOKENS) do
    tokens[i] = '1'
  end
  redis.call('LPUSH', queue .. ':wake', unpack(tokens))
  redis.call('LTRIM', queue .. ':wake', 0, WAKE_TOKENS - 1)
end
return back
