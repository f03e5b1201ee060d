-- Record that jobs which were claimed ahead of a free slot start now.
--
-- KEYS  1 the queue
-- ARGV  StartHead, then their ids
-- Returns how many were recorded: those that no other worker of ours has claimed since.
--
-- Keeps: only the holder of a job's current token changes its mark. If a stock arq worker has taken the job, it
-- starts here all the same, and the next renewal reports it as lost.
local running, token = KEYS[1] .. ':running', ARGV[HEAD.token]
local ahead = token .. '|ahead'
local ids, started = { unpack(ARGV, HEAD.size + 1) }, {}
local owners = redis.call('HMGET', running, unpack(ids))
for i, id in ipairs(ids) do
  if owners[i] and string.sub(owners[i], 1, #ahead) == ahead then
    started[#started + 1], started[#started + 2] = id, token
  end
end
if #started > 0 then
  redis.call('HSET', running, unpack(started))
end
return #started / 2
