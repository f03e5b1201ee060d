-- Put jobs into one queue: body, queue entry and wake token in one atomic step.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  EnqueueHead, then for each job a FRESH if its form is 'fresh', otherwise a JOB (see fields.py)
-- Returns for each job 1 if it was enqueued, 0 if it was there already, or the id and the queue's key of the job that
-- has its unique key, or stands last in its lane, whose id is '' if that is paused, with 'lane' behind. Of the form 'fresh', 1 if all were enqueued, or 0 if none was, since an id was there: then send
-- them in full.
--
-- Keeps: no body without an entry in its queue or dead set. A call that is repeated after a lost reply finds its own
-- body, or its result, and returns what it returned the first time. A schedule's tick is enqueued once.
local queue, name, job = KEYS[1], ARGV[HEAD.queue], base .. 'job:'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local replies, ready = {}, 0

local function wake(tokens)
  redis.call('LPUSH', queue .. ':wake', unpack(tokens))
  redis.call('LTRIM', queue .. ':wake', 0, WAKE_TOKENS - 1)
end

if entries then
  if tokens then
    redis.call('ZADD', queue, unpack(entries))
    wake(tokens)
  end
  for i = 2, ARGV[HEAD.batch] ~= '' and #entries or 0, 2 do
    join(ARGV[HEAD.batch], name, entries[i])
  end
  close_books(now, ARGV[HEAD.batch_ttl_s])
  return 1
end

-- The body with the time until which an attempt may start, by Redis's clock.
local function with_deadline(body, ms)
  return ms == '' and body or string.sub(body, 1, -2) .. string.format(',"x":%.0f}', now + tonumber(ms))
end

-- Whether the body that is there is the one of this call.
local function is_own(found, body, ms)
  if found == body or ms == '' or not found then
    return found == body
  end
  local start = string.sub(body, 1, -2) .. ',"x":'
  return string.sub(found, 1, #start) == start and string.find(string.sub(found, #start + 1), '^%d+}$') ~= nil
end

local function taken(id, body, mode, has_key, ms)
  if mode == 'new' then
    -- A fresh random id is new, unless this very call was made before, and the job may have run since, or have got the
    -- body of a later call with its key.
    local there = redis.call('MGET', job .. id, base .. 'result:' .. id)
    return (there[1] or there[2]) and true or false, has_key or not there[1] or is_own(there[1], body, ms)
  end
  local found = redis.call('GET', job .. id)
  if found then
    return true, is_own(found, body, ms)
  end
  -- This very call may have been made before, and the job may have died since, or been done: its result has the digits
  -- that its caller drew for this one call.
  local dead_id = redis.call('HGET', queue .. ':died', id)
  local result = redis.call('GET', base .. 'result:' .. id)
  local drawn = result and string.match(body, '("n":"%x+")}$')
  local died = dead_id and is_own(redis.call('GET', job .. dead_id), body, ms)
  if died or drawn and string.find(result, drawn, 1, true) then
    return true, true
  end
  return mode == 'arq' and result ~= false, false
end

-- Read the limits of all lanes of this call.
local function know_lanes()
  local lanes = {}
  for at = HEAD.size + 1, #ARGV, JOB.size do
    if ARGV[at + JOB.lane] ~= '' then
      open_lanes()
      lanes[#lanes + 1] = read_rule((read_call(ARGV[at + JOB.lane])))
    end
  end
  if #lanes > 1 then
    read_limits(queue, lanes)
  end
end

-- Whether the schedule needs no job now: its tick was enqueued, or the job of an earlier one has not ended.
local function ticked(schedule, tick, at)
  if schedule == '' then
    return false
  end
  local field = name .. '|' .. schedule
  -- Earlier releases, some of whose workers may still run, know a schedule by its name alone.
  for _, last in ipairs({ redis.call('HGET', base .. 'ticks', field), redis.call('HGET', base .. 'ticks', schedule) }) do
    last = whole(last) or 0
    if last >= tonumber(tick) and last <= now + (tonumber(ARGV[at + JOB.period_ms]) or math.huge) then
      return true
    end
  end
  redis.call('HSET', base .. 'ticks', field, tick)
  -- A stock arq worker keeps no record of a tick but this mark, for a minute after the tick ran.
  local id = ARGV[at + JOB.id]
  if id == schedule .. ':' .. tick and redis.call('EXISTS', base .. 'in-progress:' .. id) == 1 then
    return true
  end
  if ARGV[at + JOB.overlap] ~= '0' then
    return false
  end
  local before = redis.call('HGET', base .. 'ticks', field .. '|job')
  if before and redis.call('EXISTS', job .. before) == 1 and not redis.call('ZSCORE', queue .. ':dead', before) then
    return true
  end
  redis.call('HSET', base .. 'ticks', field .. '|job', id)
  return false
end

know_lanes()
for at = HEAD.size + 1, #ARGV, JOB.size do
  local id, body, mode = ARGV[at + JOB.id], ARGV[at + JOB.body], ARGV[at + JOB.mode]
  local due, delay, expires = ARGV[at + JOB.due_ms], ARGV[at + JOB.delay_ms], ARGV[at + JOB.expires_ms]
  local batch, spent = ARGV[at + JOB.batch], ARGV[at + JOB.spent]
  local rule, deadline = ARGV[at + JOB.unique], ARGV[at + JOB.deadline_ms]
  local lane_rule, at_limit, job_name = read_call(ARGV[at + JOB.lane])
  local ahead = ARGV[at + JOB.ahead_ms]
  local present, repeated = taken(id, body, mode, rule ~= '', deadline)
  if present then
    replies[#replies + 1] = repeated and 1 or 0
  elseif batch ~= '' and is_cancelled(batch) then
    replies[#replies + 1] = 0
  elseif ticked(ARGV[at + JOB.schedule], ARGV[at + JOB.tick_ms], at) then
    replies[#replies + 1] = 0
  else
    -- Jobs of one call keep their order: a score resolves a quarter of a microsecond.
    -- arq's clock has whole milliseconds: to arq, a fraction would lie in the future ("deferred").
    local score = mode == 'arq' and math.floor(now) or now + #replies * 0.00025
    if due ~= '' then
      score = tonumber(due)
    elseif delay ~= '' then
      score = now + tonumber(delay)
    end
    body = with_deadline(body, deadline)
    local held_by, place = nil, ''
    if rule ~= '' then
      held_by, score, place = ask_key(queue, name, id, body, mode, batch, rule, lane_rule, score, now)
    end
    if at_limit == 'skip' and not held_by and place == '' then
      local last = found_full(queue, lane_rule, score, now)
      held_by = last and { last, queue, 'lane' }
      if held_by then
        count_call(job_name, 'skipped', 1)
        if rule ~= '' then
          give_key_back(queue, id, rule)
        end
      end
    end
    if not held_by then
      if expires == '' then
        redis.call('SET', job .. id, body)
      else
        redis.call('SET', job .. id, body, 'PX', expires)
      end
      if mode ~= 'new' then
        redis.call('DEL', base .. 'result:' .. id, base .. 'history:' .. id)
        redis.call('HDEL', queue .. ':died', id)
        redis.call('ZREM', base .. 'abort', id)
        -- A stock arq worker that ends a retried job leaves this.
        redis.call('ZREM', queue .. ':retrying', id)
      end
      if spent ~= '' then
        redis.call('SET', base .. 'retry:' .. id, spent)
      end
      if lane_rule ~= '' then
        local in_lane = place == ''
        place = enter_lane(queue, id, lane_rule, place, mode, score, now)
        if at_limit and at_limit ~= 'skip' and in_lane and place ~= '' and score <= now + 1 then
          ready = ready + take_over(queue, lane_rule, at_limit, job_name, id, math.max(now, score))
        end
      else
        redis.call('ZADD', queue .. place, string.format('%.4f', score), id)
      end
      if ahead ~= '' then
        local due = lane_rule ~= '' and stands_at(queue, id) or place == '' and score or nil
        give_head_start(queue, id, tonumber(ahead), due, now)
      end
      if batch ~= '' then
        join(batch, name, id)
      end
      -- Also wake a worker for the earliest job of all: it has to rest for less long.
      if place == '' and (score <= now + 1 or redis.call('ZRANGE', queue, 0, 0)[1] == id) then
        ready = ready + 1
      end
    end
    replies[#replies + 1] = held_by or 1
  end
end

if ready > 0 then
  wake_many(queue, ready)
end
close_lanes(now)
close_books(now, ARGV[HEAD.batch_ttl_s])
return replies
