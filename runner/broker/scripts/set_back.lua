-- Let jobs come due again that Redis's clock, set back, has put into the future.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  SetBackHead
-- Returns how many entries of this range it has left in place, or -1 when it has looked at all of them.
--
-- Keeps: what was due before the jump is due after it, in the same order. A lease ends within one lease of now. What
-- was scheduled for later than the jump reaches stays as it is. A volunteer may be long gone, so another one may come.
-- A call that is repeated changes nothing more.
local queue, skip, most = KEYS[1], tonumber(ARGV[HEAD.skip]), tonumber(ARGV[HEAD.most])
local jump, lease = tonumber(ARGV[HEAD.jump_ms]), tonumber(ARGV[HEAD.lease_ms])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local until_ms = tonumber(ARGV[HEAD.until_ms])
local function text(ms)
  return string.format('%.4f', ms)
end
-- A lane knows its jobs by when they are due, those inside by FAR less.
local has_lanes = redis.call('EXISTS', queue .. ':laned') == 1
local function tell_lane(id, due)
  local lane = has_lanes and string.match(redis.call('HGET', queue .. ':laned', id) or '', '^[^|]*|(.+)$')
  local score = lane and redis.call('ZSCORE', queue .. ':lane:' .. lane, id)
  if score then
    redis.call('ZADD', queue .. ':lane:' .. lane, text(tonumber(score) < 0 and due - FAR or due), id)
  end
end
-- From the latest down: what moves goes below, and what stays keeps its place from the top. Leases that were taken
-- just before the jump end after it.
local last = text(until_ms + lease + 2)
local found = redis.call('ZREVRANGEBYSCORE', queue, last, '(' .. text(now), 'WITHSCORES', 'LIMIT', skip, most)
for i = 1, #found, 2 do
  local id, score = found[i], tonumber(found[i + 1])
  local is_held = redis.call('HEXISTS', queue .. ':running', id) == 1
  if not is_held and score <= until_ms then
    local due = text(math.min(score - jump, now))
    redis.call('ZADD', queue, due, id)
    tell_lane(id, tonumber(due))
    if redis.call('ZSCORE', queue .. ':retrying', id) then
      redis.call('ZADD', queue .. ':retrying', due, id)
    end
  elseif is_held and score > now + lease then
    redis.call('ZADD', queue, text(now + lease), id)
    redis.call('PEXPIRE', base .. 'in-progress:' .. id, ARGV[HEAD.lease_ms])
  else
    skip = skip + 1
  end
end
for _, place in ipairs({ queue .. ':suspects', queue .. ':waiting' }) do
  local waiting = redis.call('ZRANGEBYSCORE', place, '(' .. text(now), text(until_ms), 'WITHSCORES', 'LIMIT', 0, most)
  for i = 1, #waiting, 2 do
    local due = math.min(tonumber(waiting[i + 1]) - jump, now)
    redis.call('ZADD', place, text(due), waiting[i])
    tell_lane(waiting[i], due)
  end
end
local holders = queue .. ':holders'
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', holders, '(' .. text(now + lease), '+inf', 'LIMIT', 0, most)) do
  redis.call('ZADD', holders, text(now + lease), worker)
end
redis.call('DEL', queue .. ':volunteer')
if #found > 0 then
  redis.call('LPUSH', queue .. ':wake', '1')
  redis.call('LTRIM', queue .. ':wake', 0, WAKE_TOKENS - 1)
end
return #found < 2 * most and -1 or skip
