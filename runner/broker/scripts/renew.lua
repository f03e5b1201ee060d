-- Extend the leases of the jobs that a worker holds, and return which of them to stop.
--
-- KEYS  1 the queue
-- ARGV  RenewHead, then a LEASE for each job
-- Returns {ids whose claim is lost, ids to abort}.
--
-- Keeps: only the holder of a job's current token extends its lease, and only if no stock arq worker has taken the
-- job since the lease lapsed.
local queue, lease = KEYS[1], tonumber(ARGV[HEAD.lease_ms])
local running = queue .. ':running'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local until_ms = string.format('%.0f', now + lease + 2)
local aborting = redis.call('EXISTS', 'arq:abort') == 1
local lost, aborted = {}, {}

local function worker_of(token)
  return string.match(token, '^(.*):')
end

local function taken_by_stock_arq(id, token)
  local mark = redis.call('GET', 'arq:in-progress:' .. id)
  return mark ~= token and (mark or not redis.call('ZSCORE', queue, id))
end

for at = HEAD.size + 1, #ARGV, LEASE.size do
  local id, token = ARGV[at + LEASE.id], ARGV[at + LEASE.token]
  local owner = redis.call('HGET', running, id)
  local ahead = token .. '|ahead'
  if owner ~= token and (not owner or string.sub(owner, 1, #ahead) ~= ahead) then
    -- If this very worker has claimed it again, the answer is on its way.
    if not owner or worker_of(owner) ~= worker_of(token) then
      lost[#lost + 1] = id
    end
  elseif taken_by_stock_arq(id, token) then
    redis.call('HDEL', running, id)
    lost[#lost + 1] = id
  else
    redis.call('ZADD', queue, 'XX', until_ms, id)
    redis.call('SET', 'arq:in-progress:' .. id, token, 'PX', lease)
    if aborting and redis.call('ZSCORE', 'arq:abort', id) then
      redis.call('ZREM', 'arq:abort', id)
      aborted[#aborted + 1] = id
    end
  end
end
return { lost, aborted }
