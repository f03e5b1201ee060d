-- Record how attempts ended and give up their claims, all in one atomic step.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  SettleHead, then a SHORT for each short outcome, then an OUTCOME for each other one
-- Returns the positions (from 1) of outcomes whose claims were lost: nothing was written for them.
--
-- Keeps: only the holder of a job's current token writes, and only if no stock arq worker, which does not know
-- tokens, has taken the job since its lease lapsed. A job is in exactly one state afterwards. A job that goes back
-- without a delay is due as it was from the first. If there is a history, the number of attempts spent is stored,
-- even 0. A history lives as long as its job, and then as its result. A job that has ended did not kill its worker: the
-- crash that was counted for its lapsed lease is taken back. One that is offered still runs.
local queue, name, batch_ttl = KEYS[1], ARGV[HEAD.queue], ARGV[HEAD.batch_ttl_s]
local running, suspects = queue .. ':running', queue .. ':suspects'
local in_progress, job, retry, kept = base .. 'in-progress:', base .. 'job:', base .. 'retry:', base .. 'result:'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local lost, over, over_ms, results, over_keys = {}, {}, {}, {}, {}
local ready = 0

local short, short_ms = tonumber(ARGV[HEAD.short]), ARGV[HEAD.short_keep_ms]
local short_at = HEAD.size + 1
local others_at = short_at + short * SHORT.size
local ids, noted_keys, noted = {}, {}, {}

local function gather(id)
  local n = #ids + 1
  ids[n] = id
  noted_keys[2 * n - 1], noted_keys[2 * n] = in_progress .. id, retry .. id
end

for at = short_at, others_at - 1, SHORT.size do
  gather(ARGV[at + SHORT.id])
end
for at = others_at, #ARGV, OUTCOME.size do
  gather(ARGV[at + OUTCOME.id])
end
if #ids > 0 then
  noted = redis.call('MGET', unpack(noted_keys))
end
-- A full Redis refuses a script whose first write may need memory, and takes the rest after one that does not. Jobs
-- that have ended are taken out before their results are written; all else is written after this.
local is_taken = false

local function be_taken()
  if not is_taken then
    redis.call('HDEL', running, '')
    is_taken = true
  end
end

-- Whether there is anything that few jobs have. Usually not, and asking once is cheaper than a command with all the ids.
local has_more
local function more_in_use()
  if has_more == nil then
    local more = { base .. 'abort', suspects, queue .. ':crashes', queue .. ':unique', queue .. ':laned', queue .. ':ahead' }
    has_more = redis.call('EXISTS', unpack(more)) > 0
    if not has_more then
      keyed[queue], laned[queue], has_ahead[queue] = false, false, false
    end
  end
  return has_more
end

-- Outcomes with which a job goes back, and how many attempts they add to those that failed before.
local goes_back = { offer = 0, park = 0, release = 0, retry = 1, unclaim = 0 }

local ended_as = { abort = 'aborted', done = 'done', expire = 'expired', fail = 'failed' }

-- A stock arq worker counts its attempt as it begins. So if more attempts than *failed* are counted, it has run the job
-- since the lease lapsed, and put it back.
local function holds(i, token, kind, failed)
  local mark = noted[2 * i - 1]
  if mark == token then
    return true
  end
  local id = ids[i]
  local owner = redis.call('HGET', running, id)
  if not owner or string.match(owner, '^[^|]*') ~= token then
    if kind ~= 'offer' then
      be_taken()
      take_crash_back(queue, id, token, now)
    end
    return false
  end
  local has_run_elsewhere = failed and (tonumber(noted[2 * i]) or 0) > failed
  if not (mark or has_run_elsewhere) and (redis.call('ZSCORE', queue, id) or redis.call('ZSCORE', suspects, id)) then
    be_taken()
    out_of_reach(id)
    return true
  end
  -- A stock arq worker runs it, or has run it.
  redis.call('HDEL', running, id)
  return false
end

local function later(delay)
  return string.format('%.4f', now + tonumber(delay))
end

local function keep_result(id, ms, result)
  if result ~= '' and ms ~= '0' then
    if ms == '-1' then
      raw.call('SET', kept .. id, result)
    else
      raw.call('SET', kept .. id, result, 'PX', ms)
    end
  end
end

-- For a job that has ended; one that never failed has no history, and costs no command.
local function keep_history(id, ms, result)
  local key = base .. 'history:' .. id
  if result == '' or ms == '0' then
    redis.call('DEL', key)
  elseif ms ~= '-1' then
    redis.call('PEXPIRE', key, ms)
  end
end

-- Without *due* the job is due as it was from the first: not in the future, though Redis's clock may have been set back.
local function back(id, due)
  local owner = redis.call('HGET', running, id) or ''
  if not due then
    due = string.match(owner, '^[^|]*|([%d.e+-]+)') or later(0)
    due = not whole(due) and later(0) or due
    due = tonumber(due) > now and later(0) or due
  end
  if string.find(owner, '|alone', 1, true) then
    redis.call('ZREM', queue, id)
    redis.call('ZADD', suspects, due, id)
  else
    redis.call('ZADD', queue, due, id)
  end
  redis.call('DEL', in_progress .. id)
  redis.call('HDEL', running, id)
  has_started(owner, id)
  return due, owner
end

-- It stands in its queue, or among the suspects, or waits for a place in its lane.
local function wait_again(id)
  local due = more_in_use() and uses_ahead(queue) and redis.call('ZSCORE', queue, id)
  if due then
    go_ahead(queue, id, tonumber(due), now)
  end
end

local function finish(i, id, ms, result)
  local place = #over + 1
  over[place], over_ms[place], results[place] = id, ms, result
  local n = #over_keys
  over_keys[n + 1], over_keys[n + 2] = job .. id, noted_keys[2 * i - 1]
  if noted[2 * i] then
    over_keys[n + 3] = noted_keys[2 * i]
    keep_history(id, ms, result)
  end
end

local settled = {}
for i = 1, short do
  local id, at = ids[i], short_at + (i - 1) * SHORT.size
  if settled[id] or not holds(i, ARGV[at + SHORT.token], 'done') then
    lost[#lost + 1] = i
  else
    settled[id] = true
    finish(i, id, short_ms, ARGV[at + SHORT.result])
  end
end
local short_over = #over
if #ids > short then
  be_taken()
end
for i = short + 1, #ids do
  local id, at = ids[i], others_at + (i - short - 1) * OUTCOME.size
  local kind, token, ms = ARGV[at + OUTCOME.kind], ARGV[at + OUTCOME.token], ARGV[at + OUTCOME.ms]
  local result, entry = ARGV[at + OUTCOME.result], ARGV[at + OUTCOME.entry]
  local spent, batch = ARGV[at + OUTCOME.spent], ARGV[at + OUTCOME.batch]
  if settled[id] or not holds(i, token, kind, goes_back[kind] and tonumber(spent) - goes_back[kind]) then
    lost[#lost + 1] = i
  elseif kind == 'offer' then
    local due, owner = back(id)
    local alone = string.find(owner, '|alone', 1, true) and '|alone' or ''
    redis.call('HSET', running, id, token .. '|' .. due .. alone .. '|offered')
    ready = ready + 1
  else
    settled[id] = true
    local units = tonumber(ARGV[at + OUTCOME.units])
    if units and more_in_use() and uses_lanes(queue) then
      correct_units(queue, redis.call('HGET', queue .. ':laned', id) or nil, units, now)
    end
    if kind == 'done' or kind == 'abort' or kind == 'fail' or kind == 'expire' then
      if kind == 'abort' then
        has_started(token, id)
      end
      finish(i, id, ms, result)
      more_in_use()
      gone(queue, name, id, batch, ended_as[kind], nil, entry)
    elseif kind == 'retry' then
      redis.call('RPUSH', base .. 'history:' .. id, entry)
      redis.call('SET', retry .. id, spent)
      redis.call('ZADD', queue .. ':retrying', later(ms), id)
      back(id, later(ms))
      if more_in_use() and uses_lanes(queue) then
        step_back(queue, id, later(ms), now, true)
      end
      wait_again(id)
      if batch ~= '' then
        count_in_batch(batch, name .. '|retries', 1)
      end
    elseif kind == 'dead' then
      keep_result(id, ms, result)
      redis.call('RPUSH', base .. 'history:' .. id, entry)
      redis.call('SET', retry .. id, spent)
      -- A stock arq client lets bodies expire; a dead job stays until somebody decides.
      redis.call('PERSIST', job .. id)
      redis.call('ZREM', queue, id)
      redis.call('DEL', in_progress .. id)
      redis.call('HDEL', running, id)
      if more_in_use() then
        redis.call('ZREM', suspects, id)
        redis.call('ZREM', base .. 'abort', id)
      end
      local dead_id = give_up_id(queue, id, now)
      redis.call('ZADD', queue .. ':dead', string.format('%.0f', now), dead_id)
      gone(queue, name, id, batch, 'dead', dead_id, entry)
    elseif kind == 'park' then
      local due = back(id)
      redis.call('ZREM', queue, id)
      redis.call('ZREM', suspects, id)
      redis.call('ZADD', queue .. ':parked', due, id)
      redis.call('ZADD', queue .. ':parked:' .. entry, due, id)
      redis.call('HSET', queue .. ':unknown', id, entry)
      if redis.call('SADD', queue .. ':parked-names', entry) == 1 then
        -- An idle worker that knows it sees it with its next claim.
        ready = WAKE_TOKENS
      end
    elseif kind == 'release' or kind == 'unclaim' then
      local due = back(id, kind == 'release' and ms ~= '0' and later(ms) or nil)
      if spent ~= '0' then
        redis.call('ZADD', queue .. ':retrying', due, id)
      end
      if more_in_use() and uses_lanes(queue) then
        if entry == 'lane' then
          hold_lane(queue, redis.call('HGET', queue .. ':laned', id), tonumber(ms), now)
        end
        step_back(queue, id, due, now, kind == 'release' and ms ~= '0')
      end
      wait_again(id)
      ready = ready + ((ms == '0' or kind == 'unclaim') and 1 or 0)
    end
  end
end

if #over > 0 then
  redis.call('DEL', unpack(over_keys))
  redis.call('ZREM', queue, unpack(over))
  redis.call('HDEL', running, unpack(over))
  list_as_done(queue, over, now, ARGV[HEAD.keep_done])
  for i, id in ipairs(over) do
    keep_result(id, over_ms[i], results[i])
  end
  if more_in_use() then
    redis.call('ZREM', base .. 'abort', unpack(over))
    redis.call('ZREM', suspects, unpack(over))
    redis.call('HDEL', queue .. ':crashes', unpack(over))
    if uses_ahead(queue) then
      redis.call('HDEL', queue .. ':ahead', unpack(over))
    end
    if uses_keys(queue) then
      free_keys(queue, over, short_over, now)
    end
    if short_over > 0 and uses_lanes(queue) then
      leave_lanes(queue, over, redis.call('HMGET', queue .. ':laned', unpack(over, 1, short_over)))
    end
  end
end
if ready > 0 then
  wake_many(queue, ready)
end
close_lanes(now)
close_books(now, batch_ttl)
return lost
