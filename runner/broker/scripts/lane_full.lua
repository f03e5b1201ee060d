-- What a call does whose lane has no place, if it is not to wait: for `enqueue`, which begins with this part. It is no
-- script by itself.
--
-- Keeps: a job that is dropped gives up its place and never starts. It stands in its queue, and the worker that claims it
-- ends it as aborted: who only enqueues may end no job. One that runs keeps its place until its worker, which renews its
-- lease, has stopped it. `:dropped` says so until it has left its queue, through a lost worker, too.

-- The rule of a job's lane; before it, in lines, what to do at its limit, and the job's name.
local function read_call(text)
  local how, job_name, rule = string.match(text, '^(%l[%l_]+)\n(.*)\n([^\n]+)$')
  return rule or text, how, job_name
end

local function count_call(job_name, field, by)
  if by > 0 then
    add(base .. 'metrics:total', ARGV[HEAD.queue] .. '|' .. job_name .. '|' .. field, by)
  end
end

-- The job that came last into a lane that has no place, '' if it is paused; nil if there is a place for one that is due
-- then.
local function found_full(queue, rule, due, now)
  local lane, limit = read_rule(rule)
  local _, known = limit_of(queue, lane)
  limit = known.set or limit
  local key = queue .. ':lane:' .. lane
  local last = redis.call('ZRANGE', key, math.max(0, limit - 1), math.max(0, limit - 1), 'WITHSCORES')
  if limit > 0 and (not last[1] or tonumber(last[2]) < 0 and gives_way(queue, last[1], last[2], due, now)) then
    return nil
  end
  return last[1] or ''
end

local function is_held(queue, id)
  return redis.call('HEXISTS', queue .. ':running', id) == 1 or redis.call('EXISTS', base .. 'in-progress:' .. id) == 1
end

-- Say of a job that it is to be ended for the sake of another one. Returns the limit in its rule; nil if that was said
-- before, or it has another lane.
local function mark_dropped(queue, lane, id, by)
  local rule = redis.call('HGET', queue .. ':laned', id) or ''
  local own_lane, limit = read_rule(rule)
  if own_lane ~= lane or string.find(rule, '^%d+x') then
    return nil
  end
  redis.call('HSET', queue .. ':dropped', id, by)
  redis.call('HSET', queue .. ':laned', id, (string.gsub(rule, '^%d+', '%0x')))
  return limit
end

-- Let a job of a lane that nobody holds go without a place, to be ended for the sake of another one.
local function drop(queue, lane, id, by, now)
  local limit = mark_dropped(queue, lane, id, by)
  if not limit then
    return 0
  end
  redis.call('ZREM', queue .. ':lane:' .. lane, id)
  redis.call('ZREM', queue .. ':waiting', id)
  redis.call('ZADD', queue, string.format('%.4f', now), id)
  leave_again(queue, lane, limit)
  return 1
end

-- Those of a lane that are due, the first of them: inside or not.
local function due_of_lane(key, is_inside, now)
  local from, most = is_inside and '-inf' or '0', string.format('%.4f', is_inside and now - FAR or now)
  return redis.call('ZRANGEBYSCORE', key, from, most, 'LIMIT', 0, FLOW_STEP)
end

local function drop_those(queue, lane, ids, but, now)
  local dropped = 0
  for _, id in ipairs(ids) do
    if id ~= but and not is_held(queue, id) then
      dropped = dropped + drop(queue, lane, id, but, now)
    end
  end
  return dropped
end

-- Only the newest of a lane stay, as many as it has places: ask the others that run to stop.
local function stop_older(queue, lane, limit, but, now)
  local key = queue .. ':lane:' .. lane
  local inside, waiting, stopped = due_of_lane(key, true, now), due_of_lane(key, false, now), 0
  local beyond, older = #inside + #waiting - limit, {}
  for i = 1, math.min(beyond, #inside) do
    if not is_held(queue, inside[i]) and redis.call('ZSCORE', queue, inside[i]) then
      older[#older + 1] = inside[i]
    elseif mark_dropped(queue, lane, inside[i], but) then
      stopped = stopped + 1
    end
  end
  for i = 1, beyond - #inside do
    older[#older + 1] = waiting[i]
  end
  return stopped + drop_those(queue, lane, older, but, now)
end

-- A job that is due has come into its lane, and waits there. Returns how many others stand in the queue to be ended.
local function take_over(queue, rule, how, job_name, id, now)
  local lane, own = read_rule(rule)
  local limit, dropped = limit_of(queue, lane, own), 0
  if how == 'cancel_running' and limit > 0 then
    dropped = stop_older(queue, lane, limit, id, now)
  else
    dropped = drop_those(queue, lane, due_of_lane(queue .. ':lane:' .. lane, false, now), id, now)
  end
  count_call(job_name, 'dropped', dropped)
  return dropped
end

