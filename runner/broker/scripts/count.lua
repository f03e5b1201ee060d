-- Add counts of ended attempts to the metrics of jobs.
--
-- KEYS  1 the guard of the worker that counts, 2 the base of the application's keys
-- ARGV  CountHead, then for each job and minute a JOB and its counts
-- Returns 1 if the counts were added, 0 if they had been added before.
--
-- Keeps: a batch is added once, however often it is sent.
local guard, number = KEYS[1], tonumber(ARGV[HEAD.number])
-- The jobs that have metrics, and their totals.
local register, totals = base .. 'metrics', base .. 'metrics:total'
if number <= (whole(redis.call('GET', guard)) or 0) then
  return 0
end
redis.call('SET', guard, ARGV[HEAD.number], 'EX', ARGV[HEAD.guard_ttl_s])
local at = HEAD.size + 1
while ARGV[at] do
  local name, counts, from = ARGV[at + JOB.name], tonumber(ARGV[at + JOB.counts]), at + JOB.size
  redis.call('ZADD', register, ARGV[HEAD.now_ms], name)
  local function add_all(key, prefix)
    for i = from, from + 2 * counts - 1, 2 do
      add(key, prefix .. '|' .. ARGV[i], ARGV[i + 1])
    end
  end
  add_all(ARGV[at + JOB.minute_key], ARGV[at + JOB.minute_ms])
  redis.call('PEXPIRE', ARGV[at + JOB.minute_key], ARGV[at + JOB.minute_kept_ms])
  add_all(ARGV[at + JOB.slot_key], ARGV[at + JOB.slot_ms])
  redis.call('PEXPIRE', ARGV[at + JOB.slot_key], ARGV[at + JOB.slot_kept_ms])
  add_all(totals, name)
  at = from + 2 * counts
end
return 1
