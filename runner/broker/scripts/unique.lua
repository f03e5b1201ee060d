-- Unique keys of jobs, for the scripts that name this part. It is no script by itself.
--
-- Keeps: a key names the job that holds it from the step that enqueues the job to the one in which it ends, dies or is
-- deleted: no two jobs of a key wait or run. One more may stand in `:waiting`; it comes into its queue, and holds the
-- key, in the step that frees it. A holder that stands nowhere holds nothing: a program has ended it that knows no keys,
-- and whoever asks for the key next has it. `:unique` of a queue leads from a job to its key, of a dead one, too.
local keyed = {}

local function uses_keys(queue)
  if keyed[queue] == nil then
    keyed[queue] = redis.call('EXISTS', queue .. ':unique') == 1
  end
  return keyed[queue]
end

local function key_of(digest)
  return base .. 'unique:' .. digest
end

-- An entry of `:unique`: the key, 'dead' if dead jobs hold it, for how long it is held afterwards, and since when.
local function read_entry(text)
  return string.match(text or '', '^(%x+)|(%l*)|(%d+)|(%d+)$')
end

-- A queue that was read from Redis: ours, or nil.
local function own_queue(at)
  return at and string.sub(at, 1, #base) == base and at or nil
end

-- over: its job is done, and the key is still held for a while.
local function holder_of(key)
  local found = redis.call('HMGET', key, 'job', 'at', 'next', 'next_at', 'over', 'by')
  local at, next_at = own_queue(found[2]), own_queue(found[4])
  return {
    job = at and found[1] or nil,
    at = at,
    next = next_at and found[3] or nil,
    next_at = next_at,
    over = found[5] and true or false,
    by = found[6],
  }
end

local function hold(key, id, queue)
  redis.call('HDEL', key, 'over', 'by')
  redis.call('HSET', key, 'job', id, 'at', queue)
  redis.call('PERSIST', key)
end

-- Let the job that waits for a key have it, not due before *floor*. Returns whether there is one.
local function pass_key_on(key, held, floor)
  local due = held.next and redis.call('ZSCORE', held.next_at .. ':waiting', held.next)
  if not due then
    return false
  end
  redis.call('ZREM', held.next_at .. ':waiting', held.next)
  local is_in_queue = put_in(held.next_at, held.next, math.max(tonumber(due), floor), now_ms())
  hold(key, held.next, held.next_at)
  redis.call('HDEL', key, 'next', 'next_at')
  if is_in_queue then
    wake_one(held.next_at)
  end
  return true
end

-- A job leaves its queue as *how* says; dead_id: under which it goes on if it has died. text: its entry, if known.
-- is_one_of_many: leave the entry to the caller.
local function free_key(queue, id, how, dead_id, now, text, is_one_of_many)
  text = text or redis.call('HGET', queue .. ':unique', id)
  local digest, keep, for_ms = read_entry(text)
  if not digest then
    return
  end
  local key = key_of(digest)
  local held = holder_of(key)
  if held.job == id and dead_id and keep == 'dead' then
    redis.call('HSET', key, 'job', dead_id)
  elseif held.job == id and not held.over then
    local pause = how == 'done' and tonumber(for_ms) or 0
    if not pass_key_on(key, held, pause > 0 and now + pause or 0) then
      if pause > 0 then
        redis.call('HDEL', key, 'next', 'next_at', 'by')
        redis.call('HSET', key, 'over', '1')
        redis.call('PEXPIRE', key, for_ms)
      else
        redis.call('DEL', key)
      end
    end
  elseif held.next == id then
    redis.call('HDEL', key, 'next', 'next_at', 'by')
  end
  if dead_id ~= id and not is_one_of_many then
    redis.call('HDEL', queue .. ':unique', id)
    if dead_id then
      redis.call('HSET', queue .. ':unique', dead_id, text)
    end
  end
end

-- The keys of jobs that are done, the first *count* of these.
local function free_keys(queue, ids, count, now)
  if count == 0 then
    return
  end
  local found, had = redis.call('HMGET', queue .. ':unique', unpack(ids, 1, count)), {}
  for i = 1, count do
    if found[i] then
      had[#had + 1] = ids[i]
      free_key(queue, ids[i], 'done', nil, now, found[i], true)
    end
  end
  if #had > 0 then
    redis.call('HDEL', queue .. ':unique', unpack(had))
  end
end

-- Whether a dead job may run again: no other job has its key.
local function may_have_key(queue, id)
  local digest = uses_keys(queue) and read_entry(redis.call('HGET', queue .. ':unique', id)) or nil
  local held = digest and holder_of(key_of(digest)) or {}
  return not held.job or held.job == id or held.over or not place_of(held.at, held.job)
end

-- It does, as *id* from now on.
local function take_key_back(queue, dead_id, id)
  local text = uses_keys(queue) and redis.call('HGET', queue .. ':unique', dead_id) or nil
  local digest = read_entry(text)
  if digest then
    redis.call('HDEL', queue .. ':unique', dead_id)
    redis.call('HSET', queue .. ':unique', id, text)
    hold(key_of(digest), id, queue)
  end
end

-- A job goes on in another queue, with its key.
local function carry_key(queue, id, target)
  local text = uses_keys(queue) and redis.call('HGET', queue .. ':unique', id) or nil
  local digest = read_entry(text)
  if digest then
    redis.call('HDEL', queue .. ':unique', id)
    redis.call('HSET', target .. ':unique', id, text)
    hold(key_of(digest), id, target)
  end
end
