-- Put parked jobs back into their queue, for workers that know them.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  UnparkHead, then the labels under which the jobs are parked
-- Returns how many were put back.
--
-- Keeps: a parked job is in the set of its label and in that of all parked jobs, or in neither and in its queue, or
-- among the suspects if it was lost with its worker before; due as before, and not later than now: Redis's clock may
-- have been set back. It moves a bounded number of them, the longest due of each label first.
local queue, most = KEYS[1], tonumber(ARGV[HEAD.most])
local parked, names, labels = queue .. ':parked', queue .. ':parked-names', queue .. ':unknown'
local time = redis.call('TIME')
local now = string.format('%.4f', tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000)
local moved = 0
for i = HEAD.size + 1, #ARGV do
  local label = ARGV[i]
  local of_label = parked .. ':' .. label
  local found = moved < most and redis.call('ZRANGE', of_label, 0, most - moved - 1, 'WITHSCORES') or {}
  for j = 1, #found, 2 do
    local due = tonumber(found[j + 1]) <= tonumber(now) and found[j + 1] or now
    local is_suspect = redis.call('HEXISTS', queue .. ':crashes', found[j]) == 1
    redis.call('ZADD', is_suspect and queue .. ':suspects' or queue, due, found[j])
    redis.call('ZREM', of_label, found[j])
    redis.call('ZREM', parked, found[j])
    redis.call('HDEL', labels, found[j])
    moved = moved + 1
  end
  if redis.call('EXISTS', of_label) == 0 then
    redis.call('SREM', names, label)
  end
end
if moved > 0 then
  local tokens = {}
  for i = 1, math.min(moved, WAKE_TOKENS) do
    tokens[i] = '1'
  end
  redis.call('LPUSH', queue .. ':wake', unpack(tokens))
  redis.call('LTRIM', queue .. ':wake', 0, WAKE_TOKENS - 1)
end
return moved
