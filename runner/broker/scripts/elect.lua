-- Elect the worker that does a group's next poll: the first that asks in an interval.
--
-- KEYS  1 the time of the group's last poll, 2 the base of the application's keys
-- ARGV  ElectHead
-- Returns an ELECTION.
--
-- Keeps: one poll in each interval of Redis's clock, whichever workers ask. A last poll that lies in the future, since
-- Redis's clock was set back, holds up nothing: the group polls at once, and learns how far the clock went. The time is
-- noted twice: one key alone could hold anybody's, and the queues have that of the poll only once it has ended.
local interval = tonumber(ARGV[HEAD.interval_ms])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local again = KEYS[1] .. ':again'
local last = whole(redis.call('GET', KEYS[1])) or 0
local noted = whole(text_at(again)) or 0
local this_interval = now - now % interval
local is_set_back = last > now
local is_elected = is_set_back or last < this_interval
if is_elected then
  redis.call('SET', KEYS[1], string.format('%.0f', now), 'PX', ARGV[HEAD.kept_ms])
  redis.call('SET', again, string.format('%.0f', now), 'PX', ARGV[HEAD.kept_ms])
end
local election, first = {}, 1
election[first + ELECTION.now_ms] = now
election[first + ELECTION.is_elected] = is_elected and 1 or 0
election[first + ELECTION.next_in_ms] = this_interval + interval - now
election[first + ELECTION.set_back_ms] = is_set_back and last - now or 0
election[first + ELECTION.noted_ms] = noted
return election
