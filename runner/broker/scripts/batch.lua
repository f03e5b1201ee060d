-- Open, renew, close or cancel a batch, or strike off members that are gone.
--
-- KEYS  1 the counts of the batch, 2 the base of the application's keys
-- ARGV  BatchHead, then for 'look' a MEMBER for each, for 'nodes' and 'start' a NODE
-- Returns 'open': 1. 'nodes': 1, or -1 if a flow of that id has started, -2 if another one of it is about to. 'start': the same, or 2 if nodes are left that are
-- ready. 'ready': how many are left. 'drop': how many nodes were dropped. 'renew', 'overdue': 1 if its creator has it open, otherwise 0. 'close': 1, or 0 if its creator was
-- taken for lost before. 'cancel': 1, or 0 if it has ended. 'look': how many members were struck off.
--
-- Keeps: a batch that is open does not end. The call that closes it enqueues its callbacks if no job is pending. A
-- batch that was cancelled takes no job in, and is never a success. A member is struck off only if it stands nowhere in
-- its queue: then a program has ended it that does not know batches. No node of a flow starts before all are there; of
-- one whose creator is lost before that, nothing is left.
local batch, ttl = ARGV[HEAD.id], ARGV[HEAD.batch_ttl_s]
local key, live = KEYS[1], base .. 'batches:live'
local plan, pending = key .. ':plan', key .. ':pending'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function text(ms)
  return string.format('%.0f', ms)
end

local function stay_open()
  local until_ms = text(now + tonumber(ARGV[HEAD.open_ms]))
  redis.call('HSET', plan, 'open_until_ms', until_ms)
  redis.call('ZADD', live, until_ms, batch)
end

local function shut()
  redis.call('HDEL', plan, 'open_until_ms')
  redis.call('ZADD', live, text(now + BATCH_LOOK_MS), batch)
  if is_idle(key) then
    end_batch(batch, now, ttl)
    close_books(now, ttl)
  end
end

local act = {}

-- What to answer if a flow of that id is there: -1 for another one, -2 for one that has not started, 1 for this one.
local function has_begun()
  redis.call('HSETNX', plan, 'flow', ARGV[HEAD.flow])
  local found = redis.call('HMGET', plan, 'flow', 'started_ms')
  if found[1] ~= ARGV[HEAD.flow] then
    return found[2] and -1 or -2
  end
  return found[2] and 1 or nil
end

local function take_nodes()
  redis.call('HSET', plan, 'name', ARGV[HEAD.name], 'abandoned', 'cancel')
  redis.call('ZADD', base .. 'batches', 'NX', text(now), batch)
  for at = HEAD.size + 1, #ARGV, NODE.size do
    local node, needs = ARGV[at + NODE.id], ARGV[at + NODE.needs]
    redis.call('HSET', key .. ':nodes', node, ARGV[at + NODE.record])
    redis.call('HSET', key .. ':letters', node, ARGV[at + NODE.letter])
    redis.call('HSET', key .. ':state', node, needs == '0' and 'started' or needs)
    if needs == '0' then
      redis.call('ZADD', key .. ':ready', whole(node) or 0, node)
    end
  end
end

-- Of a flow that never started nothing is left.
local function forget_unstarted()
  local found = redis.call('HMGET', plan, 'flow', 'started_ms')
  if not found[1] or found[2] then
    return false
  end
  redis.call('DEL', key, plan, pending, key .. ':nodes', key .. ':letters', key .. ':state', key .. ':ready')
  redis.call('ZREM', live, batch)
  redis.call('ZREM', base .. 'batches', batch)
  return true
end

local function keep_callbacks()
  for _, how in ipairs({ 'complete', 'success', 'death' }) do
    local letter = ({ complete = ARGV[HEAD.complete], success = ARGV[HEAD.success], death = ARGV[HEAD.death] })[how]
    if letter ~= '' then
      redis.call('HSET', plan, how, letter)
    end
  end
end

-- A batch within another is one of its jobs: that one does not end before it.
local function join_parent()
  local parent = ARGV[HEAD.parent]
  if parent == '' or redis.call('HSETNX', plan, 'parent', parent) == 0 then
    return
  end
  count_in_batch(parent, '|total', 1)
  note_in(book_of(parent).come, '', batch)
  if is_cancelled(parent) then
    redis.call('HSET', plan, 'cancelled_ms', text(now))
  end
end

function act.nodes()
  local answer = has_begun()
  if not answer then
    take_nodes()
    stay_open()
  end
  return answer or 1
end

function act.start()
  local answer = has_begun()
  if not answer then
    take_nodes()
    -- What came first may have been taken for abandoned; then the poller forgets the rest, too.
    if redis.call('HLEN', key .. ':nodes') ~= whole(ARGV[HEAD.nodes]) then
      stay_open()
      return -2
    end
    if ARGV[HEAD.parent] ~= '' and is_cancelled(ARGV[HEAD.parent]) then
      forget_unstarted()
      return -1
    end
    keep_callbacks()
    join_parent()
    for queue_name, jobs in string.gmatch(ARGV[HEAD.jobs], '([^\t\n]+)\t(%d+)') do
      count_in_batch(batch, queue_name .. '|total', tonumber(jobs))
    end
    redis.call('HSET', plan, 'started_ms', text(now), 'closed_by', 'creator')
    redis.call('HDEL', plan, 'open_until_ms')
    redis.call('ZADD', live, text(now + BATCH_LOOK_MS), batch)
  end
  if answer and answer < 0 then
    return answer
  end
  local left = put_ready(batch, now)
  close_books(now, ttl)
  return left > 0 and 2 or 1
end

function act.ready()
  local left = put_ready(batch, now)
  close_books(now, ttl)
  return left
end

function act.drop()
  local dropped = redis.call('HEXISTS', plan, 'cancelled_ms') == 1 and drop_waiting(batch) or 0
  close_books(now, ttl)
  if dropped > 0 and is_idle(key) then
    end_batch(batch, now, ttl)
    close_books(now, ttl)
  end
  return dropped
end

function act.open()
  redis.call('ZADD', base .. 'batches', 'NX', text(now), batch)
  go_on_in_parent(batch)
  redis.call('HDEL', plan, 'ended_ms', 'cancelled_ms', 'closed_by')
  join_parent()
  redis.call('HSET', plan, 'name', ARGV[HEAD.name], 'abandoned', ARGV[HEAD.abandoned])
  keep_callbacks()
  redis.call('PERSIST', key)
  redis.call('PERSIST', plan)
  stay_open()
  close_books(now, ttl)
  return 1
end

function act.renew()
  if redis.call('HEXISTS', plan, 'open_until_ms') == 0 then
    return 0
  end
  stay_open()
  return 1
end

function act.close()
  -- It may have been asked before, and the answer lost.
  if redis.call('HEXISTS', plan, 'open_until_ms') == 0 then
    return redis.call('HEXISTS', plan, 'closed_by')
  end
  redis.call('HSET', plan, 'closed_by', 'creator')
  shut()
  return 1
end

function act.overdue()
  local until_ms = redis.call('HGET', plan, 'open_until_ms')
  if not until_ms or (whole(until_ms) or 0) > now then
    return 0
  end
  if not forget_unstarted() then
    shut()
  end
  return 1
end

function act.cancel()
  if redis.call('HEXISTS', plan, 'ended_ms') == 1 or forget_unstarted() then
    return 0
  end
  local until_ms = redis.call('HGET', plan, 'open_until_ms')
  if until_ms and (whole(until_ms) or 0) > now then
    redis.call('HSET', plan, 'closed_by', 'operator')
  end
  redis.call('HSET', plan, 'cancelled_ms', text(now))
  shut()
  return 1
end

-- False if that is unknown, too.
local function is_gone(queue, id)
  for _, suffix in ipairs({ '', ':suspects', ':parked', ':waiting' }) do
    if redis.pcall('ZSCORE', queue .. suffix, id) then
      return false
    end
  end
  return redis.pcall('HEXISTS', queue .. ':running', id) == 0 and redis.call('EXISTS', base .. 'in-progress:' .. id) == 0
end

local function dead_id_of(queue, id)
  local dead_id = redis.pcall('HGET', queue .. ':died', id)
  for _, one in ipairs({ id, type(dead_id) == 'string' and dead_id or nil }) do
    if type(redis.pcall('ZSCORE', queue .. ':dead', one)) == 'string' then
      return one
    end
  end
end

local function how_it_ended(queue, id)
  local dead_id = dead_id_of(queue, id)
  if dead_id then
    return 'dead', dead_id
  end
  local readable, result = pcall(cjson.decode, text_at(base .. 'result:' .. id) or '')
  return readable and type(result) == 'table' and result.s == true and 'done' or 'failed'
end

-- How many of the jobs that are to be struck off were not counted as they ended.
local function uncounted(struck)
  local waiting, of_state = 0, { total = 1, done = -1, dead = -1, aborted = -1, failed = -1, expired = -1 }
  local counts = redis.call('HGETALL', key)
  for i = 1, #counts, 2 do
    local sign = of_state[string.match(counts[i], '|(%l+)$')]
    waiting = waiting + (sign or 0) * (tonumber(counts[i + 1]) or 0)
  end
  return waiting - (redis.call('SCARD', pending) - struck)
end

-- A batch within this one of which nothing is left has failed.
local function strike_off_batch(id)
  local its = base .. 'batch:' .. id
  if redis.call('SISMEMBER', pending, '|' .. id) == 1 and redis.call('EXISTS', its, its .. ':plan') == 0 then
    count_in_batch(batch, '|failed', 1)
    note_in(book_of(batch).gone, '', id)
    return 1
  end
  return 0
end

function act.look()
  local struck, batches_struck = {}, 0
  for at = HEAD.size + 1, #ARGV, MEMBER.size do
    local queue, name, id = ARGV[at + MEMBER.queue_key], ARGV[at + MEMBER.queue], ARGV[at + MEMBER.id]
    if name == '' then
      batches_struck = batches_struck + strike_off_batch(id)
    elseif redis.call('SISMEMBER', pending, name .. '|' .. id) == 1 and is_gone(queue, id) then
      struck[#struck + 1] = { queue, name, id, at }
    end
  end
  local left = uncounted(#struck)
  for i, one in ipairs(struck) do
    local how, dead_id = how_it_ended(one[1], one[3])
    gone(one[1], one[2], one[3], batch, i <= left and how or 'apart', dead_id, ARGV[one[4] + MEMBER.passed])
  end
  if redis.call('ZSCORE', live, batch) then
    redis.call('ZADD', live, text(now + BATCH_LOOK_MS), batch)
  end
  close_books(now, ttl)
  return #struck + batches_struck
end

local answer = act[ARGV[HEAD.action]]()
close_lanes(now)
return answer
