-- Add counts of ended attempts to the metrics of jobs.
--
-- KEYS  1 the guard of the worker that tells, 2 the register of jobs that have metrics, 3 the totals
-- ARGV  1 number of this batch, 2 seconds that the guard is kept, 3 now, Unix ms,
--       then for each job and minute: queue|job; twice key, ms that it is kept and start of its cell
--       (by minute, by ten minutes); how many counts follow; each count's field and what to add
-- Returns 1 if the counts were added, 0 if they had been.
--
-- Keeps: a batch is added once, however often it is told.
local guard, register, totals, number = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1])
if number <= tonumber(redis.call('GET', guard) or '0') then
  return 0
end
redis.call('SET', guard, ARGV[1], 'EX', ARGV[2])
local at = 4
while ARGV[at] do
  redis.call('ZADD', register, ARGV[3], ARGV[at])
  local counts = tonumber(ARGV[at + 7])
  for page = at + 1, at + 4, 3 do
    local key, cell = ARGV[page], ARGV[page + 2]
    for i = 0, counts - 1 do
      redis.call('HINCRBY', key, cell .. '|' .. ARGV[at + 8 + 2 * i], ARGV[at + 9 + 2 * i])
    end
    redis.call('PEXPIRE', key, ARGV[page + 1])
  end
  for i = 0, counts - 1 do
    redis.call('HINCRBY', totals, ARGV[at] .. '|' .. ARGV[at + 8 + 2 * i], ARGV[at + 9 + 2 * i])
  end
  at = at + 8 + 2 * counts
end
return 1
