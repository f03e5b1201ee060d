-- Extend the leases of the jobs that a worker runs, and return which of them to stop.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  RenewHead, then a LEASE for each job
-- Returns {ids whose claim is lost, ids to abort}.
--
-- Keeps: only the holder of a job's current token extends its lease, and only if no stock arq worker has taken the
-- job since the lease lapsed. What is renewed has started, whether Redis heard of that or not. A worker that has read
-- that its claim was lost has outlived the loss: when it says so, the crash that was counted for it is taken back. That
-- it asks proves nothing, since the question of a worker that has died may arrive late.
local queue, lease = KEYS[1], tonumber(ARGV[HEAD.lease_ms])
local running = queue .. ':running'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local until_ms = string.format('%.0f', now + lease + 2)
local aborting = redis.call('EXISTS', base .. 'abort', queue .. ':dropped') > 0
local lost, aborted, renewed, started = {}, {}, {}, {}
local ids, marks = {}, {}
for at = HEAD.size + 1, #ARGV, LEASE.size do
  ids[#ids + 1] = ARGV[at + LEASE.id]
  marks[#marks + 1] = base .. 'in-progress:' .. ARGV[at + LEASE.id]
end
local owners, held = redis.call('HMGET', running, unpack(ids)), redis.call('MGET', unpack(marks))
-- A full Redis refuses a script whose first write may need memory, and takes the rest after one that does not.
redis.call('HDEL', running, '')

local function worker_of(token)
  return string.match(token, '^(.*):')
end

for i, id in ipairs(ids) do
  local token, owner = ARGV[HEAD.size + 1 + (i - 1) * LEASE.size + LEASE.token], owners[i]
  local holder = owner and string.match(owner, '^[^|]*')
  if holder ~= token or string.find(owner, '|offered', 1, true) then
    -- If this very worker has claimed it again, the answer is on its way.
    if not holder or worker_of(holder) ~= worker_of(token) then
      lost[#lost + 1] = id
    end
    -- Also if it is that worker's again, as a suspect: it may have claimed it before it said so.
    if holder ~= token and ARGV[HEAD.outlived] == '1' then
      take_crash_back(queue, id, token, now)
    end
  elseif held[i] ~= token and (held[i] or not redis.call('ZSCORE', queue, id)) then
    -- A stock arq worker has it.
    redis.call('HDEL', running, id)
    lost[#lost + 1] = id
  else
    renewed[#renewed + 1], renewed[#renewed + 2] = until_ms, id
    if not held[i] or redis.call('PEXPIRE', marks[i], lease) == 0 then
      redis.call('SET', marks[i], token, 'PX', lease)
    end
    local of_claim = started[token] or {}
    started[token], of_claim[#of_claim + 1] = of_claim, id
    if aborting and redis.call('ZSCORE', base .. 'abort', id) then
      redis.call('ZREM', base .. 'abort', id)
      aborted[#aborted + 1] = id
    elseif aborting and redis.call('HEXISTS', queue .. ':dropped', id) == 1 then
      aborted[#aborted + 1] = id
    end
  end
end
late_workers(queue, now, lease, ARGV[HEAD.worker_id])
if #renewed > 0 then
  redis.call('ZADD', queue, 'XX', unpack(renewed))
  redis.call('ZADD', queue .. ':holders', until_ms, ARGV[HEAD.worker_id])
end
for token, of_claim in pairs(started) do
  redis.call('SREM', base .. 'unstarted:' .. token, unpack(of_claim))
end
return { lost, aborted }
