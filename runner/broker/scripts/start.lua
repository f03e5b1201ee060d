-- Record that claimed jobs start now.
--
-- KEYS  1 the queue
-- ARGV  StartHead, then their ids
-- Returns how many were recorded: those that no other worker of ours has claimed since.
--
-- Keeps: only the holder of a job's current token changes its mark. If a stock arq worker has taken the job, it
-- starts here all the same, and the next renewal reports it as lost.
local running, token = KEYS[1] .. ':running', ARGV[HEAD.token] .. '|'
local ids, started, n = { unpack(ARGV, HEAD.size + 1) }, {}, 0
local find, sub, size = string.find, string.sub, #token
-- A full Redis refuses a script whose first write may need memory, and takes the rest after one that does not.
redis.call('HDEL', running, '')
local owners = redis.call('HMGET', running, unpack(ids))
for i, id in ipairs(ids) do
  local owner = owners[i]
  local ends = owner and find(owner, '|ahead', size, true)
  if ends and sub(owner, 1, size) == token then
    started[n + 1], started[n + 2] = id, sub(owner, 1, ends - 1)
    n = n + 2
  end
end
if n > 0 then
  redis.call('HSET', running, unpack(started))
end
return n / 2
