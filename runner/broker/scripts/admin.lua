-- Change jobs that wait or are dead, as an operator or their caller asks.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  AdminHead, then a JOB for each job
-- Returns for each job the state that it was in: 'waiting', 'dead', 'running' or 'gone'; 'held' for one that is dead or
-- waits and stays so, since another job has its unique key.
--
-- Keeps: a job is in exactly one state afterwards. A running job belongs to its worker, and is only asked to stop (by
-- 'abort'). An action on a job that has moved on changes nothing, so it may be repeated.
local queue, action = KEYS[1], ARGV[HEAD.action]
local name, batch_ttl = ARGV[HEAD.queue], ARGV[HEAD.batch_ttl_s]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local now_text = string.format('%.4f', now)

local function found_in(id)
  return place_of(queue, id) or 'gone'
end

local function count(batch, field, by)
  if batch then
    count_in_batch(batch, name .. '|' .. field, by)
  end
end

local function leave_dead(id, batch)
  redis.call('ZREM', queue .. ':dead', id)
  if batch then
    note_in(book_of(batch).revived, name, id)
    count(batch, 'dead', -1)
    revive_node(batch, id)
  end
end

-- Takes a job that waits out of where it waits.
local function leave_queue(id)
  if redis.call('ZREM', queue, id) == 1 then
    out_of_reach(id)
  end
  redis.call('ZREM', queue .. ':suspects', id)
  redis.call('ZREM', queue .. ':retrying', id)
  redis.call('ZREM', queue .. ':waiting', id)
  unpark_one(queue, id)
end

local function forget(id)
  leave_queue(id)
  redis.call('HDEL', queue .. ':crashes', id)
  redis.call('ZREM', base .. 'abort', id)
  redis.call('DEL', base .. 'job:' .. id, base .. 'retry:' .. id)
end

-- Returns the id of a dead job that gets all its attempts back.
local function revive(id, batch)
  leave_dead(id, batch)
  redis.call('HDEL', queue .. ':crashes', id)
  local dead_id = id
  id = take_id_back(queue, id)
  take_key_back(queue, dead_id, id)
  carry_ahead(queue, dead_id, queue, id)
  if uses_lanes(queue) then
    take_lane_back(queue, dead_id, id)
  end
  -- 0, not absent: settling looks for a history, which stays, only if attempts are stored.
  redis.call('SET', base .. 'retry:' .. id, '0')
  redis.call('DEL', base .. 'result:' .. id)
  return id
end

-- The same for one that stays in this queue.
local function revive_here(id, batch)
  id = revive(id, batch)
  if batch then
    note_in(book_of(batch).come, name, id)
  end
  return id
end

local woken = {}

local function wait_until(id, due)
  -- It waits for another job, or a place in its lane, whenever it is due.
  if redis.call('ZSCORE', queue .. ':waiting', id) then
    if uses_lanes(queue) and wait_anew(queue, id, tonumber(due), now) then
      return
    end
    redis.call('ZADD', queue .. ':waiting', due, id)
    return
  end
  -- A job with crashes is a suspect wherever it waits: it may be parked.
  local suspects, crashes = queue .. ':suspects', queue .. ':crashes'
  local is_suspect = redis.call('ZSCORE', suspects, id) or redis.call('HEXISTS', crashes, id) == 1
  local retry = redis.call('ZSCORE', queue .. ':retrying', id)
  leave_queue(id)
  if is_suspect then
    redis.call('ZADD', suspects, due, id)
  elseif not put_in(queue, id, tonumber(due), now) then
    return
  end
  if retry then
    redis.call('ZADD', queue .. ':retrying', due, id)
  end
  if tonumber(due) <= now then
    woken[queue] = (woken[queue] or 0) + 1
  end
end

local function due_of(id)
  local due = redis.call('ZSCORE', queue, id) or redis.call('ZSCORE', queue .. ':waiting', id)
  if due then
    return due
  end
  -- These were due before; Redis's clock may have been set back since.
  due = redis.call('ZSCORE', queue .. ':suspects', id) or redis.call('ZSCORE', queue .. ':parked', id)
  return due and (tonumber(due) <= now and due or now_text)
end

local function due_now(id)
  -- A job that is due already keeps its place.
  local due = due_of(id)
  return due and tonumber(due) <= now and due or now_text
end

local act = {}

function act.run(id, state, batch)
  id = state == 'dead' and revive_here(id, batch) or id
  wait_until(id, due_now(id))
end

function act.reschedule(id, state, batch)
  local due = ARGV[HEAD.due_ms]
  if due == '' then
    due = string.format('%.4f', now + tonumber(ARGV[HEAD.delay_ms]))
  end
  wait_until(state == 'dead' and revive_here(id, batch) or id, due)
end

function act.bury(id, state, batch)
  if state ~= 'waiting' then
    return
  end
  leave_queue(id)
  redis.call('ZREM', base .. 'abort', id)
  redis.call('PERSIST', base .. 'job:' .. id)
  redis.call('RPUSH', base .. 'history:' .. id, ARGV[HEAD.entry])
  redis.call('SETNX', base .. 'retry:' .. id, '0')
  local dead_id = give_up_id(queue, id, now)
  redis.call('ZADD', queue .. ':dead', string.format('%.0f', now), dead_id)
  gone(queue, name, id, batch, 'dead', dead_id, ARGV[HEAD.entry])
end

function act.delete(id, state, batch)
  if state == 'dead' then
    leave_dead(id, batch)
    redis.call('DEL', base .. 'result:' .. id)
    local chosen = string.match(id, '^(.*)~%d+$')
    if chosen and redis.call('HGET', queue .. ':died', chosen) == id then
      redis.call('HDEL', queue .. ':died', chosen)
      redis.call('DEL', base .. 'result:' .. chosen)
    end
  end
  forget(id)
  redis.call('DEL', base .. 'history:' .. id)
  count(batch, 'total', -1)
  gone(queue, name, id, batch, '')
end

function act.trim(id, state, batch)
  if state == 'dead' then
    act.delete(id, state, batch)
  end
end

function act.move(id, state, batch)
  local target, target_name = ARGV[HEAD.target_key], ARGV[HEAD.target]
  local due = due_of(id) or now_text
  local retry = redis.call('ZSCORE', queue .. ':retrying', id)
  if state == 'dead' then
    id = revive(id, batch)
  end
  leave_queue(id)
  redis.call('HDEL', queue .. ':crashes', id)
  carry_key(queue, id, target)
  carry_ahead(queue, id, target, id)
  if uses_lanes(queue) then
    carry_lane(queue, id, target)
  end
  if put_in(target, id, tonumber(due), now) and retry then
    redis.call('ZADD', target .. ':retrying', retry, id)
  end
  count(batch, 'total', -1)
  gone(queue, name, id, batch, 'apart')
  if batch then
    count_in_batch(batch, target_name .. '|total', 1)
    note_in(book_of(batch).come, target_name, id)
  end
  woken[target] = (woken[target] or 0) + 1
end

function act.abort(id, state, batch, result)
  if state ~= 'waiting' then
    return
  end
  -- What its caller drew for the call: made again for want of an answer, that finds itself in the result.
  local ends = redis.pcall('GETRANGE', base .. 'job:' .. id, -60, -1)
  local drawn = type(ends) == 'string' and string.match(ends, ',("n":"%x+")[^{]*}$')
  if drawn then
    result = string.sub(result, 1, -2) .. ',' .. drawn .. '}'
  end
  forget(id)
  local keep_ms = ARGV[HEAD.keep_ms]
  if keep_ms ~= '0' then
    redis.call('SET', base .. 'result:' .. id, result, 'PX', keep_ms)
    redis.call('PEXPIRE', base .. 'history:' .. id, keep_ms)
  else
    redis.call('DEL', base .. 'history:' .. id)
  end
  list_as_done(queue, { id }, now, '')
  gone(queue, name, id, batch, 'aborted')
end

-- Actions by which a dead job runs again, and those that may be done to one that waits for another.
local goes_on = { run = true, reschedule = true, move = true }
local may_wait = { abort = true, bury = true, delete = true, reschedule = true, trim = true }
local states = {}
for at = HEAD.size + 1, #ARGV, JOB.size do
  local id = ARGV[at + JOB.id]
  local state = found_in(id)
  if state == 'gone' then
    local dead_id = redis.call('HGET', queue .. ':died', id)
    if dead_id then
      id, state = dead_id, found_in(dead_id)
    end
  end
  if state == 'running' and action == 'abort' then
    redis.call('ZADD', base .. 'abort', string.format('%.0f', now), id)
  elseif state == 'dead' and goes_on[action] and not may_have_key(queue, id) then
    state = 'held'
  elseif state == 'waiting' and not may_wait[action] and redis.call('ZSCORE', queue .. ':waiting', id) then
    state = 'held'
  elseif state == 'waiting' or state == 'dead' then
    act[action](id, state, batch_of(id), ARGV[at + JOB.result])
  end
  states[#states + 1] = state
end
for key, jobs in pairs(woken) do
  wake_many(key, jobs)
end
close_lanes(now)
close_books(now, batch_ttl)
return states
