-- Take a job out of the reach of stock arq workers, for the scripts that name this part. It is no script by itself.
--
-- Keeps: a stock worker looks whether a job is there, and marks it in a transaction that fails if the mark was changed
-- since it looked. So whoever takes a waiting job out of its queue changes the mark: or that worker would run it.
local function out_of_reach(id)
  redis.call('DEL', base .. 'in-progress:' .. id)
  redis.call('SET', base .. 'in-progress:' .. id, '', 'PX', 1)
  redis.call('DEL', base .. 'in-progress:' .. id)
end

