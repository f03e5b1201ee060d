-- Keys of a job that may hold what nobody of ours has written, for the scripts that name this part. It is no script by
-- itself.
--
-- Keeps: a job ends, whatever its keys hold. A value of a wrong type counts as none.
local function text_at(key)
  return redis.call('MGET', key)[1]
end

local function is_wrong_type(reply)
  return type(reply) == 'table' and string.find(reply.err or '', 'WRONGTYPE', 1, true) ~= nil
end

local function append(key, entry)
  if is_wrong_type(redis.pcall('RPUSH', key, entry)) then
    redis.call('DEL', key)
    redis.call('RPUSH', key, entry)
  end
end

local function count_in_batch(batch, field, by, ttl)
  local key = 'arq:batch:' .. batch
  if not is_wrong_type(redis.pcall('HINCRBY', key, field, by)) then
    redis.call('EXPIRE', key, ttl)
  end
end

local function note_dead_of_batch(batch, member, ttl)
  local key = 'arq:batch:' .. batch .. ':dead'
  if not is_wrong_type(redis.pcall('SADD', key, member)) then
    redis.call('EXPIRE', key, ttl)
  end
end
