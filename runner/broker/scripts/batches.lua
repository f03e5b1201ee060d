-- The books of batches, for the scripts that name this part. It is no script by itself.
--
-- Keeps: a job of a batch is in its `:pending` from the step that enqueues it to the one that ends or buries it. What a
-- call changes goes out once for each batch, not once for each job. A callback is enqueued by the call after which no
-- job is pending and no creator adds any, and its letter is taken off in that step: so it is enqueued once. A batch
-- whose keys are none of ours is not counted on: what came before would be missing.
-- What is none of ours fails; a right that is missing raises: or jobs would be enqueued that the batch does not know.
local function try(...)
  local reply = raw.pcall(...)
  if not has_failed(reply) or string.find(reply.err, 'WRONGTYPE', 1, true) or string.find(reply.err, 'integer', 1, true) then
    return reply
  end
  return string.find(reply.err, 'overflow', 1, true) and reply or raw.call(...)
end

local books = {}

local function book_of(batch)
  local book = books[batch]
  if not book then
    book = { counts = {}, come = {}, gone = {}, died = {}, revived = {} }
    books[batch] = book
  end
  return book
end

local function count_in_batch(batch, field, by)
  local counts = book_of(batch).counts
  counts[field] = (counts[field] or 0) + by
end

local function is_cancelled(batch)
  local book = book_of(batch)
  if book.is_cancelled == nil then
    book.is_cancelled = type(try('HGET', base .. 'batch:' .. batch .. ':plan', 'cancelled_ms')) == 'string'
  end
  return book.is_cancelled
end

local function note_in(list, queue_name, id)
  list[#list + 1] = queue_name .. '|' .. id
end

local function join(batch, queue_name, id)
  count_in_batch(batch, queue_name .. '|total', 1)
  note_in(book_of(batch).come, queue_name, id)
end

local largest_decoded = 65536

-- Our bodies name their batch behind the arguments; those of others are read whole, if they are not too large.
local function batch_of(id)
  local key = base .. 'job:' .. id
  if redis.call('TYPE', key).ok ~= 'string' then
    return nil
  end
  local large = redis.call('STRLEN', key) > largest_decoded
  local body = large and redis.call('GETRANGE', key, -400, -1) or redis.call('GET', key) or ''
  if not string.find(body, '"b"', 1, true) then
    return nil
  end
  if large then
    return string.match(body, '"et":%d+,"b":"([^"\\]+)"')
  end
  local readable, envelope = pcall(cjson.decode, body)
  if readable and type(envelope) == 'table' and type(envelope.b) == 'string' then
    return envelope.b
  end
  return nil
end

-- A letter is the key of a queue, then the body up to the time of enqueueing and from there on, in a line each. That of
-- a node of a flow, or of a job with a lane, goes on: its queue's name, ms until it is due, behind a plus its
-- head start and behind a bar its lane,
-- and for a map where the number of its jobs stands.
-- Returns that name; nil for a letter that is none.
local function put_letter(batch, how, letter, now)
  local queue_key, before, after, more = string.match(letter, '^([^\n]+)\n([^\n]*)\n([^\n]*)(.*)$')
  if not queue_key then
    return nil
  end
  local queue_name, delay, ahead, rule = string.match(more, '^\n([^\n]*)\n(%d*)%+?(%d*)|?([^\n]*)')
  local id = batch .. ':' .. how
  if redis.call('SET', base .. 'job:' .. id, before .. string.format('%.0f', now) .. after, 'NX') then
    redis.call('DEL', base .. 'result:' .. id, base .. 'history:' .. id)
    local due = now + (tonumber(delay) or 0)
    if rule and rule ~= '' then
      open_lanes()
      give_lane(queue_key, id, rule)
      join_lane(queue_key, id, rule, due, now, true)
    else
      redis.call('ZADD', queue_key, string.format('%.4f', due), id)
    end
    if ahead and ahead ~= '' then
      give_head_start(queue_key, id, tonumber(ahead), stands_at(queue_key, id), now)
    end
    wake_one(queue_key)
  end
  return queue_name or ''
end

local function call_back(batch, how, now)
  local plan = base .. 'batch:' .. batch .. ':plan'
  local letter = try('HGET', plan, how)
  if type(letter) == 'string' then
    try('HDEL', plan, how)
    put_letter(batch, how, letter, now)
  end
end

-- Whether each job that the batch counts is done.
local function all_done(key)
  local found, sums = try('HGETALL', key), { total = 0, done = 0 }
  if has_failed(found) then
    return false
  end
  for i = 1, #found, 2 do
    local state = string.match(found[i], '|(%l+)$')
    if sums[state] then
      sums[state] = sums[state] + (tonumber(found[i + 1]) or math.huge)
    end
  end
  return sums.total == sums.done
end

-- Tell the batch that this one is in how it has ended; nil if it goes on. told: what was told before.
local function tell_parent(batch, parent, told, how)
  local book, plan = book_of(parent), base .. 'batch:' .. batch .. ':plan'
  if told then
    count_in_batch(parent, '|' .. told, -1)
    if told == 'dead' then
      note_in(book.revived, '', batch)
    end
  end
  if not how then
    note_in(book.come, '', batch)
    try('HDEL', plan, 'told')
    return
  end
  count_in_batch(parent, '|' .. how, 1)
  note_in(book.gone, '', batch)
  if how == 'dead' then
    note_in(book.died, '', batch)
  end
  try('HSET', plan, 'told', how)
end

-- A batch that has ended goes on: it may have ended for the one that it is in, too.
local function go_on_in_parent(batch)
  local found = try('HMGET', base .. 'batch:' .. batch .. ':plan', 'parent', 'told')
  if not has_failed(found) and found[1] and found[2] then
    tell_parent(batch, found[1], found[2], nil)
  end
end

-- What follows once no job is pending. Who calls it closes the books again: another batch may wait for this one.
local function end_batch(batch, now, ttl)
  local key = base .. 'batch:' .. batch
  local plan = key .. ':plan'
  local held = try('HMGET', plan, 'open_until_ms', 'complete', 'success', 'cancelled_ms', 'flow', 'parent', 'told')
  if has_failed(held) or held[1] then
    return
  end
  try('HSET', plan, 'ended_ms', string.format('%.0f', now))
  try('ZREM', base .. 'batches:live', batch)
  if held[2] then
    call_back(batch, 'complete', now)
  end
  if held[3] and not held[4] and all_done(key) then
    call_back(batch, 'success', now)
  end
  local has_dead = try('EXISTS', key .. ':dead') ~= 0
  if held[6] then
    local how = held[4] and 'aborted' or has_dead and 'dead' or all_done(key) and 'done' or 'failed'
    if held[7] ~= how then
      tell_parent(batch, held[6], held[7], how)
    end
  end
  -- Who retries a dead job later finds its batch.
  if not has_dead then
    try('EXPIRE', key, ttl)
    try('EXPIRE', plan, ttl)
    if held[5] then
      try('EXPIRE', key .. ':nodes', ttl)
      try('EXPIRE', key .. ':state', ttl)
      try('DEL', key .. ':results', key .. ':ready')
    end
  end
end

-- Whether no job is pending, and no node waits.
local function is_idle(key)
  return try('EXISTS', key .. ':pending', key .. ':letters') == 0
end

-- Jobs come to a batch, whether new or from the dead set.
local function take_in(batch, book, is_new, now)
  local key = base .. 'batch:' .. batch
  for first = 1, #book.come, FLOW_STEP do
    try('SADD', key .. ':pending', unpack(book.come, first, math.min(first + FLOW_STEP - 1, #book.come)))
  end
  local ended = try('HDEL', key .. ':plan', 'ended_ms') == 1
  if ended then
    try('PERSIST', key)
    try('PERSIST', key .. ':plan')
    go_on_in_parent(batch)
  end
  if ended or is_new then
    try('ZADD', base .. 'batches', 'NX', string.format('%.0f', now), batch)
    try('ZADD', base .. 'batches:live', 'NX', string.format('%.0f', now + BATCH_LOOK_MS), batch)
  end
end

local put_ready

local MOST_NESTED = 20

-- A death is one in each batch that the batch of the job is in, too.
local function tell_of_death(batch, now)
  for _ = 1, MOST_NESTED do
    call_back(batch, 'death', now)
    batch = try('HGET', base .. 'batch:' .. batch .. ':plan', 'parent')
    if type(batch) ~= 'string' then
      return
    end
  end
end

-- Write what this call has changed; the last thing that it does.
local function close_books(now, ttl)
  local batch, book = next(books)
  while batch do
    if book.is_flow then
      put_ready(batch, now)
    end
    local key, is_new = base .. 'batch:' .. batch, false
    for field, by in pairs(book.counts) do
      if by ~= 0 then
        is_new = try('HINCRBY', key, field, by) == by or is_new
      end
    end
    if #book.come > 0 then
      take_in(batch, book, is_new, now)
    end
    if #book.died > 0 then
      try('SADD', key .. ':dead', unpack(book.died))
      tell_of_death(batch, now)
    end
    if #book.revived > 0 then
      try('SREM', key .. ':dead', unpack(book.revived))
    end
    if #book.gone > 0 then
      try('SREM', key .. ':pending', unpack(book.gone))
    end
    if #book.gone + #book.revived > 0 and is_idle(key) then
      end_batch(batch, now, ttl)
    end
    -- Its end may have opened the book of another one.
    books[batch] = nil
    batch, book = next(books)
  end
end

