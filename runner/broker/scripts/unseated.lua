-- Take jobs out of the queue that have given up their places in their lanes, for `claim`, which does that before it
-- claims any. It is no script by itself.
--
-- Keeps: of a lane, no job is claimed that has no place. What a stock arq worker runs meanwhile has one.
local function clear_unseated(queue)
  local ids = redis.call('ZRANGE', queue .. ':unseated', 0, 499)
  for _, id in ipairs(ids) do
    local lane = string.match(redis.call('HGET', queue .. ':laned', id) or '', '^[^|]*|(.+)$')
    local key = queue .. ':lane:' .. (lane or '')
    local score = lane and tonumber(redis.call('ZSCORE', key, id) or nil) or -1
    local due = score >= 0 and redis.call('ZSCORE', queue, id)
    if due and redis.call('EXISTS', base .. 'in-progress:' .. id) == 1 then
      redis.call('ZADD', key, string.format('%.4f', math.min(score, FAR - 1) - FAR), id)
    elseif due then
      redis.call('ZREM', queue, id)
      out_of_reach(id)
      redis.call('ZREM', queue .. ':retrying', id)
      redis.call('ZADD', queue .. ':waiting', due, id)
    end
  end
  if #ids > 0 then
    redis.call('ZREM', queue .. ':unseated', unpack(ids))
  end
end

