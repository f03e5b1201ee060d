-- Count a guess at a password or token before it is checked, or refuse it.
--
-- KEYS  1 the guesses of an account or address
-- ARGV  GuessHead
-- Returns 0 if it may be checked, otherwise the milliseconds to wait.
--
-- Keeps: within one window the set has no more guesses than its limit, however many are made at once. One that was
-- made before does not count again. A set that would not expire, which is none of ours, does.
local guess = ARGV[HEAD.guess]
local is_full = redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[HEAD.most])
if is_full and redis.call('SISMEMBER', KEYS[1], guess) == 0 then
  local wait = redis.call('PTTL', KEYS[1])
  if wait < 0 then
    wait = tonumber(ARGV[HEAD.window_ms])
    redis.call('PEXPIRE', KEYS[1], wait)
  end
  return math.max(wait, 1)
end
if guess ~= '' then
  redis.call('SADD', KEYS[1], guess)
  if redis.call('PTTL', KEYS[1]) < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[HEAD.window_ms])
  end
end
return 0
