-- Record that claimed jobs start now.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  StartHead, then their ids
-- Returns how many were recorded: those that had not started.
--
-- Keeps: a start is one of the claim with this token, whoever has the job by now. It frees memory, so a full Redis
-- takes it, too.
return redis.call('SREM', KEYS[2] .. 'unstarted:' .. ARGV[HEAD.token], unpack(ARGV, HEAD.size + 1))
