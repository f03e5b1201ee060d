-- Look after lanes, or give them another limit.
--
-- KEYS  1 a queue, 2 the base of the application's keys
-- ARGV  LaneHead, then names of lanes
-- Returns 'look': how many jobs were taken out of these lanes. 'limit': how many changed their place.
--
-- Keeps: 'look' takes out only what stands nowhere, or has another lane: a program has ended it that knows no lanes. A
-- lower limit takes those out of the queue that nobody holds, the last ones first; what runs goes on. It is bounded: the
-- caller repeats it until it returns 0.
local queue, action, limit = KEYS[1], ARGV[HEAD.action], ARGV[HEAD.limit]
local now = now_ms()
local changed = 0
open_lanes()

local act = {}

local function is_here(lane, id)
  local place = read_rule(redis.call('HGET', queue .. ':laned', id) or nil) == lane and place_of(queue, id)
  return place == 'running' or place == 'waiting'
end

function act.look(lane)
  local key = queue .. ':lane:' .. lane
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', '(0', 'LIMIT', 0, FLOW_STEP)) do
    if not is_here(lane, id) then
      redis.call('ZREM', key, id)
      if not place_of(queue, id) then
        redis.call('HDEL', queue .. ':laned', id)
        redis.call('HDEL', queue .. ':running', id)
      end
      changed = changed + 1
    end
  end
  leave_again(queue, lane, 1, true)
end

-- Those inside that nobody holds, the last due first: as they were due when they came into their lane. Its scores are
-- too coarse for the jobs of one call, which those of the queue tell apart.
local function take_out(lane, most)
  local key, waiting = queue .. ':lane:' .. lane, {}
  local inside = redis.call('ZREVRANGEBYSCORE', key, '(0', '-inf', 'WITHSCORES', 'LIMIT', 0, FLOW_STEP)
  for i = 1, #inside, 2 do
    local due, first = tonumber(redis.call('ZSCORE', queue, inside[i]) or nil), tonumber(inside[i + 1]) + FAR
    if due and place_of(queue, inside[i]) == 'waiting' then
      waiting[#waiting + 1] = { inside[i], first < due - 0.01 and first or due }
    end
  end
  table.sort(waiting, function(one, other)
    return one[2] > other[2]
  end)
  for i = 1, math.min(most, #waiting) do
    local id, due = waiting[i][1], score_outside(waiting[i][2])
    redis.call('ZREM', queue, id)
    out_of_reach(id)
    redis.call('ZREM', queue .. ':retrying', id)
    redis.call('ZADD', key, due, id)
    redis.call('ZADD', queue .. ':waiting', due, id)
    changed = changed + 1
  end
end

function act.limit(lane)
  local _, known = limit_of(queue, lane, 0)
  known.set = tonumber(limit)
  if known.own or known.set then
    redis.call('HSET', queue .. ':lanes', lane, string.format('%s|%s', known.own or '', limit))
  else
    redis.call('HDEL', queue .. ':lanes', lane)
  end
  local is_inside = redis.call('ZCOUNT', queue .. ':lane:' .. lane, '-inf', '(0')
  local beyond = is_inside - (known.set or known.own or is_inside)
  if beyond > 0 then
    take_out(lane, beyond)
  else
    leave_again(queue, lane, is_inside, true)
  end
end

for i = HEAD.size + 1, #ARGV do
  act[action](ARGV[i])
end
return changed + close_lanes(now)
