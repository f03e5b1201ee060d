-- What becomes of a job whose unique key is held, for `enqueue`, which begins with this part. It is no script by itself.
--
-- Keeps: a call that is repeated after a lost reply finds its own id in the key, and changes nothing more.

-- A job that waits gets the body of a later call, and belongs to the batch of that.
local function give_body(id, body, batch, queue_name)
  local before = batch_of(id) or ''
  if before ~= batch then
    if before ~= '' then
      count_in_batch(before, queue_name .. '|total', -1)
      note_in(book_of(before).gone, queue_name, id)
    end
    if batch ~= '' then
      join(batch, queue_name, id)
    end
  end
  redis.call('SET', base .. 'job:' .. id, body)
end

-- Where a job waits and since when it is due, or will be; with *due* it is moved there. One that waits for its next
-- attempt does not come before that. A parked one goes back: its new body may be what a worker here knows.
local function due_at(queue, id, due, now)
  local parked = redis.call('ZSCORE', queue .. ':parked', id)
  if parked then
    unpark_one(queue, id)
    redis.call('ZADD', queue, string.format('%.4f', due or math.min(tonumber(parked), now)), id)
  elseif due then
    local suspects, waiting = queue .. ':suspects', queue .. ':waiting'
    local place = redis.call('ZSCORE', suspects, id) and suspects or redis.call('ZSCORE', waiting, id) and waiting or queue
    local retry = redis.call('ZSCORE', queue .. ':retrying', id)
    due = math.max(due, tonumber(retry or 0))
    if place == suspects or not (uses_lanes(queue) and wait_anew(queue, id, due, now)) then
      due = string.format('%.4f', due)
      if retry then
        redis.call('ZADD', queue .. ':retrying', due, id)
      end
      redis.call('ZADD', place, due, id)
      if place == queue then
        go_ahead(queue, id, tonumber(due), now)
      end
    end
  end
  wake_one(queue)
end

-- When a debounced job is due that was due at *score*: *most* ms after the first call at the latest.
local function debounced(queue, id, score, most)
  local _, _, _, first = read_entry(redis.call('HGET', queue .. ':unique', id))
  if most == '' or not first then
    return score
  end
  return math.min(score, tonumber(first) + tonumber(most))
end

-- A job is not enqueued after all that has just got its key. By commands that who only enqueues may run.
local function give_key_back(queue, id, rule)
  redis.call('HDEL', key_of(string.match(rule, '^%x+')), 'job', 'at')
  redis.call('HDEL', queue .. ':unique', id)
end

local function has_started_under(queue, id)
  local owner = redis.call('HGET', queue .. ':running', id)
  return not owner or redis.call('SISMEMBER', base .. 'unstarted:' .. string.match(owner, '^[^|]*'), id) == 0
end

-- Ask for the key of a job that is due at *score*. Returns what to reply if it is not enqueued; or nil, when it is due,
-- and where it stands: '' in its queue, with the key, or ':waiting' for the job that runs.
local function ask_key(queue, queue_name, id, body, mode, batch, rule, lane_rule, score, now)
  local digest, on_conflict, till, keep, for_ms, most, job_name =
    string.match(rule, '^(%x+)|(%l+)|(%l+)|(%l*)|(%d+)|(%d*)|(.*)$')
  local key = key_of(digest)
  local held = holder_of(key)
  if mode == 'new' and (held.job == id or held.next == id) then
    return 1
  end
  local entry = string.format('%s|%s|%s|%.0f', digest, keep, for_ms, now)

  local function found(other, at)
    add(base .. 'metrics:total', queue_name .. '|' .. job_name .. '|duplicates', 1)
    return { other, at }
  end

  local function swap(other)
    if held.by ~= id then
      give_body(other, body, batch, queue_name)
      redis.call('HSET', key, 'by', id)
      due_at(queue, other, on_conflict == 'reschedule' and debounced(queue, other, score, most) or nil, now)
      if lane_rule ~= '' or uses_lanes(queue) then
        change_lane(queue, other, lane_rule, now)
      end
    end
    return found(other, queue)
  end

  local place = held.job and not held.over and place_of(held.at, held.job)
  if place == 'running' and till == 'started' and has_started_under(held.at, held.job) then
    place = nil
  end
  if held.job and not place and not held.over then
    -- It has ended, or holds the key no more. What waited for it does.
    if pass_key_on(key, held, 0) then
      held = holder_of(key)
      place = place_of(held.at, held.job)
    elseif not place_of(held.at, held.job) then
      redis.call('HDEL', held.at .. ':unique', held.job)
    end
  end

  local takes_turns = on_conflict == 'after' or on_conflict == 'reschedule'
  local following = held.next and redis.call('ZSCORE', held.next_at .. ':waiting', held.next)
  if held.over then
    local left = redis.call('PTTL', key)
    if not takes_turns then
      return found(held.job, held.at)
    end
    score = math.max(score, now + math.max(left, 0))
  elseif following and held.next_at == queue and (takes_turns or on_conflict == 'replace') then
    -- Though the holder may wait again, for its next attempt: the last call is the last to run.
    return swap(held.next)
  elseif place == 'waiting' and held.at == queue and (takes_turns or on_conflict == 'replace') then
    return swap(held.job)
  elseif place == 'running' and held.at == queue and takes_turns then
    redis.call('HSET', queue .. ':unique', id, entry)
    redis.call('HSET', key, 'next', id, 'next_at', queue)
    return nil, score, ':waiting'
  elseif place then
    return found(held.job, held.at)
  end
  if held.job then
    hold(key, id, queue)
  else
    redis.call('HSET', key, 'job', id, 'at', queue)
  end
  redis.call('HSET', queue .. ':unique', id, entry)
  return nil, score, ''
end
