-- Record that claimed jobs start now.
--
-- KEYS  1 the queue
-- ARGV  StartHead, then their ids
-- Returns how many were recorded: those that no other worker of ours has claimed since.
--
-- Keeps: only the holder of a job's current token changes its mark. If a stock arq worker has taken the job, it
-- starts here all the same, and the next renewal reports it as lost.
local running, token = KEYS[1] .. ':running', ARGV[HEAD.token] .. '|'
local ids, started = { unpack(ARGV, HEAD.size + 1) }, {}
-- A full Redis refuses a script whose first write may need memory, and takes the rest after one that does not.
redis.call('HDEL', running, '')
local owners = redis.call('HMGET', running, unpack(ids))
for i, id in ipairs(ids) do
  local owner = owners[i]
  if owner and string.sub(owner, 1, #token) == token and string.sub(owner, -AHEAD_SIZE) == AHEAD then
    started[#started + 1], started[#started + 2] = id, string.sub(owner, 1, -AHEAD_SIZE - 1)
  end
end
if #started > 0 then
  redis.call('HSET', running, unpack(started))
end
return #started / 2
