-- Ids and batches of jobs that die, for the scripts that name this part. It is no script by itself.
--
-- Keeps: an id that its caller chose is free once the job is dead. The job goes on as `<id>~<ms>`, with its body and its
-- history, and `:died` leads there from the id.

-- A random id collides with no later one, and stays. So does one of 32 hexadecimal digits, unless its body says that
-- it was chosen.
local function is_random(id)
  if #id ~= 32 or string.find(id, '[^0-9a-f]') then
    return false
  end
  local key = base .. 'job:' .. id
  local ends = redis.call('TYPE', key).ok == 'string' and redis.call('GETRANGE', key, -40, -1) or ''
  return not (string.find(ends, '"n":"%x+"}$') or string.find(ends, '"n":"%x+","x":%d+}$'))
end

local function carry_over(queue, from, to)
  for _, prefix in ipairs({ base .. 'job:', base .. 'history:', base .. 'retry:' }) do
    if redis.call('EXISTS', prefix .. from) == 1 then
      redis.call('RENAME', prefix .. from, prefix .. to)
    end
  end
  local crashes = redis.call('HGET', queue .. ':crashes', from)
  if crashes then
    redis.call('HDEL', queue .. ':crashes', from)
    redis.call('HSET', queue .. ':crashes', to, crashes)
  end
end

-- Returns the id under which a dying job goes on.
local function give_up_id(queue, id, ms)
  if is_random(id) then
    return id
  end
  local dead_id
  repeat
    dead_id = id .. '~' .. string.format('%.0f', math.floor(ms))
    ms = ms + 1
  until redis.call('EXISTS', base .. 'job:' .. dead_id) == 0
  carry_over(queue, id, dead_id)
  redis.call('HSET', queue .. ':died', id, dead_id)
  return dead_id
end

-- Returns the id under which a dead job that is retried goes on: its own again, if that is free.
local function take_id_back(queue, dead_id)
  local id = string.match(dead_id, '^(.*)~%d+$')
  if not id then
    return dead_id
  end
  if redis.call('HGET', queue .. ':died', id) == dead_id then
    redis.call('HDEL', queue .. ':died', id)
  end
  if redis.call('EXISTS', base .. 'job:' .. id) == 1 then
    return dead_id
  end
  carry_over(queue, dead_id, id)
  return id
end
