-- Free unique keys that no job needs, or that an operator frees; forget head starts that no job needs.
--
-- KEYS  1 a queue, 2 the base of the application's keys
-- ARGV  ReleaseHead, then for 'look' ids of jobs of the queue that have keys, for 'ahead' of those that have head
-- starts, for 'release' keys
-- Returns how many were freed.
--
-- Keeps: 'look' frees the key of a job only if that stands nowhere: a program has ended it that knows no keys. 'ahead'
-- does the same with head starts. What waits for a key that is freed comes into its queue in the same step.
local queue, action = KEYS[1], ARGV[HEAD.action]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local freed = 0

local act = {}

function act.look(id)
  if place_of(queue, id) then
    return 0
  end
  free_key(queue, id, '', nil, now)
  redis.call('HDEL', queue .. ':unique', id)
  return 1
end

function act.ahead(id)
  if place_of(queue, id) then
    return 0
  end
  leave_ahead(queue, id)
  return 1
end

function act.release(digest)
  local key = key_of(digest)
  local held = holder_of(key)
  if held.job then
    redis.call('HDEL', held.at .. ':unique', held.job)
  end
  if pass_key_on(key, held, 0) then
    return 1
  end
  return redis.call('DEL', key)
end

for i = HEAD.size + 1, #ARGV do
  freed = freed + act[action](ARGV[i])
end
close_lanes(now)
return freed
