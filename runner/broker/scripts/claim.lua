-- Claim jobs that are due: mark each as held under a token, and make it due again when its lease ends.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  ClaimHead, then the labels under which jobs are parked that the worker knows: these are claimed first
-- Returns a REPLY, then a CLAIMED for each job
--
-- Keeps: no worker sees a claimed job as due until its lease ends. A job that is due and in progress is passed over,
-- however many of them are at the head of the queue: a stock arq worker holds it, or a stock arq client changed its
-- time. So is one whose lease has lapsed: `recover` puts it back, at the due time that it has had from the first, and
-- only after a worker that still lives has had the time to renew. A worker goes on with its own lapsed jobs. A
-- suspect is claimed alone: one that was parked, or whose lease has lapsed in this very worker, waits among the
-- suspects again. A claim that was given up takes nothing when it arrives after all.
local queue, limit, token = KEYS[1], tonumber(ARGV[HEAD.limit]), ARGV[HEAD.token]
local lease, worker, mode = tonumber(ARGV[HEAD.lease_ms]), ARGV[HEAD.worker_id], ARGV[HEAD.mode]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local now_text = string.format('%.4f', now)
local running, holders, suspects = queue .. ':running', queue .. ':holders', queue .. ':suspects'
local mark, job, retry = base .. 'in-progress:', base .. 'job:', base .. 'retry:'
local lapsed, stray, extras = {}, {}, {}
local reply = {}
reply[1 + REPLY.now_ms], reply[1 + REPLY.next_due_ms], reply[1 + REPLY.fence] = now_text, '-1', 0
reply[1 + REPLY.suspects], reply[1 + REPLY.more] = 0, 0
reply[1 + REPLY.parked] = redis.call('EXISTS', queue .. ':parked')
reply[1 + REPLY.lapsed], reply[1 + REPLY.stray], reply[1 + REPLY.extras] = lapsed, stray, extras

local suspect
local few = { queue .. ':paused', base .. 'revoked:' .. token, suspects, queue .. ':unseated', queue .. ':later' }
few[#few + 1] = queue .. ':paused-jobs'
if redis.call('EXISTS', unpack(few)) > 0 then
  local names = redis.call('HKEYS', queue .. ':paused-jobs')
  if names[1] then
    reply[1 + REPLY.parked] = names
  end
  if redis.call('EXISTS', queue .. ':paused') == 1 then
    reply[1 + REPLY.next_due_ms] = '-2'
    return reply
  end
  if redis.call('EXISTS', base .. 'revoked:' .. token) == 1 then
    return reply
  end
  clear_unseated(queue)
  give_due_head_starts(queue, now)
  suspect = redis.call('ZRANGEBYSCORE', suspects, '-inf', now_text, 'WITHSCORES', 'LIMIT', 0, 1)
  if suspect[1] and mode ~= 'suspect' then
    reply[1 + REPLY.suspects] = 1
    if mode == 'idle' then
      return reply
    end
    local ms = ARGV[HEAD.volunteer_ms]
    if ms ~= '0' and redis.call('SET', queue .. ':volunteer', worker, 'PX', ms, 'NX') then
      reply[1 + REPLY.suspects] = 2
    end
  end
end

local grace, look_at, must_wait = lease / 6, nil, false
for _, late in ipairs(late_workers(queue, now, lease, worker)) do
  if late.lost <= now then
    lapsed[#lapsed + 1] = late.worker
  else
    look_at = look_at and math.min(look_at, late.lost) or late.lost
    must_wait = must_wait or late.lapses <= now
  end
end
-- What they held was due before all else. Nobody has seen them late so far: this worker is the first here for long.
if #lapsed > 0 or must_wait then
  reply[1 + REPLY.next_due_ms] = look_at and string.format('%.4f', look_at) or '-1'
  return reply
end

local is_late = {}
local function may_come_back(owner)
  local other = string.match(owner, '^([^|]*):')
  if not other then
    return false
  end
  if is_late[other] == nil then
    local ends = redis.call('ZSCORE', holders, other)
    is_late[other] = ends and tonumber(ends) <= now + grace or false
  end
  return is_late[other]
end

-- Due since ever: the mark of a claim has a number.
local function finite(score)
  return score == '-inf' and '0' or score
end

local function due_of(owner, score)
  local due = tonumber(string.match(owner, '^[^|]*|([%d.e+-]+)'))
  return due and string.format('%.4f', math.max(0, math.min(due, now))) or score
end

local ids, marks, owners, scores, parked = {}, {}, {}, {}, {}
local offset, exhausted = 0, false
if mode == 'suspect' then
  exhausted = true
  if suspect and suspect[1] then
    ids[1], marks[1], owners[1], scores[1] = suspect[1], mark .. suspect[1], false, finite(suspect[2])
  end
end
local function leave_parked(id, label)
  redis.call('ZREM', queue .. ':parked', id)
  redis.call('ZREM', queue .. ':parked:' .. label, id)
  redis.call('HDEL', queue .. ':unknown', id)
  if redis.call('EXISTS', queue .. ':parked:' .. label) == 0 then
    redis.call('SREM', queue .. ':parked-names', label)
  end
end

for i = HEAD.size + 1, #ARGV do
  local of_label = queue .. ':parked:' .. ARGV[i]
  local found = #ids < limit and redis.call('ZRANGE', of_label, 0, limit - #ids - 1, 'WITHSCORES') or {}
  for j = 1, #found, 2 do
    local n, id = #ids + 1, found[j]
    -- It was due when it was parked, whatever Redis's clock says now.
    local due = string.format('%.4f', math.max(0, math.min(tonumber(found[j + 1]), now)))
    if redis.call('HEXISTS', queue .. ':crashes', id) == 1 then
      leave_parked(id, ARGV[i])
      redis.call('ZADD', suspects, due, id)
      reply[1 + REPLY.suspects] = math.max(1, reply[1 + REPLY.suspects])
    else
      ids[n], marks[n], owners[n], scores[n] = id, mark .. id, false, due
      parked[id] = ARGV[i]
    end
  end
end
local own, page = worker .. ':', limit
local function is_own(owner)
  return string.sub(owner, 1, #own) == own
end
local function may_go_on(owner)
  return string.find(owner, '|offered', 1, true) or (is_own(owner) and not string.find(owner, '|alone', 1, true))
end
while #ids < limit and not exhausted do
  local due = redis.call('ZRANGEBYSCORE', queue, '-inf', now_text, 'WITHSCORES', 'LIMIT', offset, page)
  local found = #due / 2
  exhausted = found < page
  offset, page = offset + found, math.max(limit, 100)
  if found > 0 then
    local names, held_keys = {}, {}
    for i = 1, found do
      names[i] = due[2 * i - 1]
      held_keys[i] = mark .. names[i]
    end
    local known = redis.call('HMGET', running, unpack(names))
    local held = redis.call('MGET', unpack(held_keys))
    local n = #ids
    for i = 1, found do
      local owner = known[i]
      if n >= limit or held[i] then
        -- Passed over.
      elseif not owner or may_go_on(owner) then
        n = n + 1
        ids[n], marks[n], owners[n], scores[n] = names[i], held_keys[i], owner, finite(due[2 * i])
        if owner then
          scores[n] = due_of(owner, scores[n])
        end
      elseif #stray < limit and (is_own(owner) or not may_come_back(owner)) then
        stray[#stray + 1] = names[i]
      end
    end
  end
end

-- Bodies are read until there are enough of them. How many to read at a time follows from their size so far.
local bodies, bytes, count, step = {}, 0, 0, 4
local most = tonumber(ARGV[HEAD.most_bytes])
while count < #ids and (count == 0 or bytes < most) do
  local names = {}
  for i = count + 1, math.min(count + step, #ids) do
    names[#names + 1] = job .. ids[i]
  end
  local found = redis.call('MGET', unpack(names))
  for i = 1, #names do
    if count > 0 and bytes >= most then
      break
    end
    local body = found[i]
    count = count + 1
    bodies[count] = body
    bytes = body and bytes + #body or bytes
  end
  step = math.max(1, math.min(500, math.floor((most - bytes) * count / (bytes + 1))))
end
if count < #ids then
  reply[1 + REPLY.more] = 1
  for i = #ids, count + 1, -1 do
    parked[ids[i]] = nil
    ids[i] = nil
  end
end

if #ids > 0 then
  -- A full Redis refuses a script whose first write may need memory, and takes the rest after one that does not.
  -- A job that runs frees what it holds.
  redis.call('DEL', marks[1])
  local last = whole(redis.call('GET', base .. 'fence')) or 0
  local fence = string.format('%.0f', math.max(last + 1, tonumber(time[1]) * 1000000 + tonumber(time[2])))
  redis.call('SET', base .. 'fence', fence)
  reply[1 + REPLY.fence] = fence
  local rare = { base .. 'abort', queue .. ':crashes', queue .. ':paced', queue .. ':dropped', queue .. ':ahead' }
  local has_rare, dues = redis.call('EXISTS', unpack(rare)) > 0, {}
  if has_rare and uses_ahead(queue) then
    for i, text in ipairs(redis.call('HMGET', queue .. ':ahead', unpack(ids))) do
      if text then
        dues[i], scores[i] = was_due(queue, ids[i], tonumber(scores[i]), text, now)
      end
    end
  end
  local retry_keys, entries, tokens = {}, {}, {}
  -- By then the key set below has certainly expired.
  local until_ms = string.format('%.0f', now + lease + 2)
  local call, lease_ms = raw.call, ARGV[HEAD.lease_ms]
  local prefix, suffix = token .. '|', mode == 'suspect' and '|alone' .. PADDING or PADDING
  for id, label in pairs(parked) do
    leave_parked(id, label)
  end
  for i, id in ipairs(ids) do
    retry_keys[i] = retry .. id
    entries[2 * i - 1], entries[2 * i] = until_ms, id
    tokens[2 * i - 1], tokens[2 * i] = id, prefix .. scores[i] .. suffix
    if owners[i] then
      has_started(owners[i], id)
    end
    call('SET', marks[i], token, 'PX', lease_ms)
  end
  redis.call('ZADD', queue, unpack(entries))
  redis.call('HSET', running, unpack(tokens))
  redis.call('SADD', base .. 'unstarted:' .. token, unpack(ids))
  redis.call('EXPIRE', base .. 'unstarted:' .. token, CRASHES_KEPT_MS / 1000)
  redis.call('ZADD', holders, until_ms, worker)
  if mode == 'suspect' then
    redis.call('ZREM', suspects, ids[1])
  end
  local spent = redis.call('MGET', unpack(retry_keys))
  local aborting, crashed, dropped = false, false, {}
  if has_rare then
    if uses_paces(queue) then
      open_lanes()
      start_paced(queue, ids, now)
    end
    aborting = redis.call('EXISTS', base .. 'abort') == 1
    crashed = redis.call('EXISTS', queue .. ':crashes') == 1
    dropped = redis.call('HMGET', queue .. ':dropped', unpack(ids))
  end
  for i, id in ipairs(ids) do
    local at = 1 + REPLY.size + (i - 1) * CLAIMED.size
    reply[at + CLAIMED.id], reply[at + CLAIMED.body], reply[at + CLAIMED.due_ms] = id, bodies[i], dues[i] or scores[i]
    local before = ''
    if owners[i] and is_own(owners[i]) then
      before = string.match(owners[i], '^[^|]*')
    end
    if spent[i] then
      redis.call('ZREM', queue .. ':retrying', id)
    end
    local aborted = aborting and redis.call('ZREM', base .. 'abort', id) or 0
    aborted = dropped[i] or aborted
    local crashes = crashed and #crashes_of(queue, id, now) or 0
    if spent[i] or crashes > 0 or aborted ~= 0 or before ~= '' then
      local at = #extras + 1
      extras[at + EXTRA.place], extras[at + EXTRA.spent] = i, whole(spent[i]) or 0
      extras[at + EXTRA.crashes], extras[at + EXTRA.aborted], extras[at + EXTRA.before] = crashes, aborted, before
    end
  end
end

if #ids < limit and reply[1 + REPLY.more] == 0 and mode ~= 'suspect' then
  -- No job is left to wake a worker for.
  redis.call('DEL', queue .. ':wake')
  if #ids == 0 and mode == 'idle' then
    redis.call('ZREM', holders, worker)
  end
  local function look_no_later_than(at)
    if at and (not look_at or at < look_at) then
      look_at = at
    end
  end
  for _, key in ipairs({ queue, suspects }) do
    local later = redis.call('ZRANGEBYSCORE', key, '(' .. now_text, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    look_no_later_than(tonumber(later[2] or nil))
  end
  local from = string.format('(%.4f', now + grace)
  local held = redis.call('ZRANGEBYSCORE', holders, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if held[2] and held[1] ~= worker then
    look_no_later_than(tonumber(held[2]) - grace)
  end
  if look_at then
    reply[1 + REPLY.next_due_ms] = string.format('%.4f', look_at)
  end
end
return reply
