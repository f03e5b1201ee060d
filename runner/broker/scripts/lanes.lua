-- Lanes, queues before the queue, for the scripts that name this part. It is no script by itself.
--
-- Keeps: of a lane, at most `limit` jobs stand in the queue, run, or wait among the suspects or the parked; the others
-- stand in `:waiting`. A place is a member of the lane, tied to a job that stands there: a crash frees none and loses
-- none, since the job comes due again in its place. Whatever takes a job out of the queue for good lets the next one in,
-- at the tail, in the same step: so lanes are served in turn. A job that is not due yet makes room for one that is.
-- `:lane:<lane>` holds both: the jobs inside by FAR less than when they are due, the others by when they are due.
-- A place may be given up as soon as a worker claims the job: then lanes take turns, or start their jobs at a rate. Each
-- claim takes its tokens, and who comes next is due when the rate allows it (GCRA). At most a burst of them stands in the
-- queue, so however late they are claimed, no period sees more than the rate and a burst. `:paced` has of such a lane when
-- its tokens are used up.
local laned, paced = {}, {}

-- What is below is made when it is needed: without lanes, no call takes the time for that.
local open_lanes
local read_rule, read_limits, limit_of, leave_again, score_outside, used_until, join_lane, give_lane, leave_lanes, leave_lane
local take_lane_back, carry_lane, step_back, wait_anew, change_lane, enter_lane, let_all_in, start_paced, hold_lane, put_in_lane
local gives_way, correct_units

local function uses_lanes(queue)
  if laned[queue] == nil then
    laned[queue] = redis.call('EXISTS', queue .. ':laned') == 1
  end
  if laned[queue] then
    open_lanes()
  end
  return laned[queue]
end

-- Put a job into its queue, or into its lane if it has one. Returns whether it is in the queue.
local function put_in(queue, id, due, now)
  local is_in = nil
  if uses_lanes(queue) then
    is_in = put_in_lane(queue, id, due, now)
  end
  if is_in == nil then
    redis.call('ZADD', queue, string.format('%.4f', due), id)
    go_ahead(queue, id, due, now)
  end
  return is_in ~= false
end

-- Let in whoever comes next in the lanes that jobs have left; the last thing that a call does. Returns how many.
local function close_lanes(now)
  return let_all_in and let_all_in(now) or 0
end

-- Whether lanes of this queue have a pace, or give places up with the claim. What comes into a queue asks about head
-- starts, too, and few queues have either: so one command asks for both.
local function uses_paces(queue)
  if paced[queue] == nil and has_ahead[queue] == nil and redis.call('EXISTS', queue .. ':paced', queue .. ':ahead') == 0 then
    paced[queue], has_ahead[queue] = false, false
  elseif paced[queue] == nil then
    paced[queue] = redis.call('EXISTS', queue .. ':paced') == 1
  end
  return paced[queue]
end

function open_lanes()
if let_all_in then
  return
end
local lane_limits, lanes_left = {}, {}

-- A rule, which is an entry of `:laned`, too: the limit that the job was enqueued with, `s` if its place is free once it
-- is claimed, then for a rate ms for each unit, a slash and the job's units; and its lane. Before the `s` an `x` if the job
-- was dropped: it is no part of the lane any more, and never starts; if it runs, it has its place until it has stopped.
function read_rule(text)
  -- None is longer, and a pattern takes the square of the time for what is none of ours.
  local limit, pace, lane = string.match(#(text or '') <= 400 and text or '', '^(%d+)([^|]*)|(.+)$')
  return lane, tonumber(limit), pace
end

local function is_dropped(pace)
  return string.sub(pace or '', 1, 1) == 'x'
end

local function read_pace(pace)
  local unit_ms, units = string.match(pace or '', '^s([%d.]+)/([%d.]+)$')
  return tonumber(unit_ms) or 0, tonumber(units) or 1
end

-- When the next job of a lane may start whose tokens are used until then, if it costs so many units.
local function slot(until_ms, unit_ms, units, burst)
  return until_ms + (units - math.max(burst, units)) * unit_ms
end

-- Read the limits of lanes: that of an operator, or that of the job that came last. `:lanes` has both. And of lanes with a
-- pace until when their tokens are used up, how far ahead that was when it was written, and ms for each unit.
function read_limits(queue, lanes)
  local asked = {}
  for _, lane in ipairs(lanes) do
    if not lane_limits[queue .. '|' .. lane] then
      asked[#asked + 1] = lane
      lane_limits[queue .. '|' .. lane] = {}
    end
  end
  for first = 1, #asked, FLOW_STEP do
    local some = { unpack(asked, first, math.min(first + FLOW_STEP - 1, #asked)) }
    local limits = redis.call('HMGET', queue .. ':lanes', unpack(some))
    local paces = uses_paces(queue) and redis.call('HMGET', queue .. ':paced', unpack(some)) or {}
    for i, lane in ipairs(some) do
      local own, set = string.match(limits[i] or '', '^(%d*)|(%d*)$')
      local until_ms, ahead, unit_ms = string.match(paces[i] or '', '^([%d.]+)|([%d.]+)|([%d.]+)$')
      local known = { own = tonumber(own), set = tonumber(set), unit_ms = tonumber(unit_ms) }
      known.until_ms, known.ahead = tonumber(until_ms), tonumber(ahead)
      lane_limits[queue .. '|' .. lane] = known
    end
  end
end

function limit_of(queue, lane, fallback)
  read_limits(queue, { lane })
  local known = lane_limits[queue .. '|' .. lane]
  return known.set or known.own or fallback, known
end

-- Until when the tokens of a lane are used up: not further ahead than when that was written, though Redis's clock may
-- have been set back since.
function used_until(queue, lane, now)
  local _, known = limit_of(queue, lane)
  return math.max(now, math.min(known.until_ms or 0, now + (known.ahead or 0)))
end

local function use_until(queue, lane, until_ms, now, unit_ms)
  local _, known = limit_of(queue, lane)
  known.until_ms, known.ahead, known.unit_ms = until_ms, math.max(0, until_ms - now), unit_ms
  redis.call('HSET', queue .. ':paced', lane, string.format('%.4f|%.4f|%.6f', until_ms, known.ahead, unit_ms))
  paced[queue] = true
end

-- Note that a job has left its place in a lane, or, with *all*, that any number of places may be free.
function leave_again(queue, lane, limit, all)
  local of_queue = lanes_left[queue] or {}
  local before = of_queue[lane] or { freed = 0 }
  lanes_left[queue] = of_queue
  of_queue[lane] = { freed = before.freed + (all and math.huge or 1), limit = limit }
end

-- The limit of a lane that a job comes into: that which it was enqueued with holds from now on, if it is new.
local function note_limit(queue, lane, limit, is_new)
  local _, known = limit_of(queue, lane, limit)
  if known.own ~= limit and (is_new or not known.own) then
    if known.own then
      leave_again(queue, lane, limit, true)
    end
    known.own = limit
    redis.call('HSET', queue .. ':lanes', lane, string.format('%.0f|%s', limit, known.set or ''))
  end
  return known.set or known.own
end

local function score_inside(due)
  return string.format('%.4f', math.max(0, math.min(due, FAR - 1)) - FAR)
end

function score_outside(due)
  return string.format('%.4f', math.max(0, due))
end

-- A job that stands in its queue has no place any more. The next claim puts it into `:waiting`, before it claims any: who
-- only enqueues may take nothing out of a queue.
local function unseat(queue, key, id, due)
  redis.call('ZADD', key, score_outside(due), id)
  redis.call('ZADD', queue .. ':unseated', score_outside(due), id)
end

-- When a job with a place is due that is to give it up for one that is due then; false if it keeps it.
function gives_way(queue, id, score, due, now)
  local own = tonumber(score) + FAR > now and tonumber(redis.call('ZSCORE', queue, id) or nil)
  if not own or own <= now or own <= due or redis.call('HEXISTS', queue .. ':running', id) == 1 then
    return false
  end
  return redis.call('EXISTS', base .. 'in-progress:' .. id) == 0 and own
end

-- Let a job that is in its queue, and not due before *due*, give up its place. Returns whether it has.
local function make_room(queue, key, id, score, due, now)
  local own = gives_way(queue, id, score, due, now)
  if own then
    unseat(queue, key, id, own)
  end
  return own and true or false
end

-- Units of the jobs of a lane with a rate that stand in the queue, and are to start before another one.
local function units_ahead(queue, lane)
  local _, known = limit_of(queue, lane)
  if (known.unit_ms or 0) == 0 then
    return 0
  end
  local ids, units = redis.call('ZRANGEBYSCORE', queue .. ':lane:' .. lane, '-inf', '(0', 'LIMIT', 0, FLOW_STEP), 0
  for _, rule in ipairs(#ids > 0 and redis.call('HMGET', queue .. ':laned', unpack(ids)) or {}) do
    local _, _, pace = read_rule(rule)
    units = units + select(2, read_pace(pace))
  end
  return units
end

-- When a job of a lane with a pace may start that is due then, behind *ahead* units of others.
local function paced_due(queue, lane, pace, limit, due, ahead, now)
  local unit_ms, units = read_pace(pace)
  local until_ms = used_until(queue, lane, now)
  return until_ms == now and ahead == 0 and due or math.max(due, slot(until_ms + ahead * unit_ms, unit_ms, units, limit))
end

-- A job comes into its lane. Returns when it may start if there is a place for it.
local function take_place(queue, id, rule, due, now, is_new)
  local lane, own_limit, pace = read_rule(rule)
  local key, limit = queue .. ':lane:' .. lane, note_limit(queue, lane, own_limit, is_new)
  local last = limit > 0 and redis.call('ZRANGE', key, limit - 1, limit - 1, 'WITHSCORES') or { '', '0' }
  local is_full = last[1] ~= nil
  if is_full and tonumber(last[2]) < 0 then
    is_full = not make_room(queue, key, last[1], last[2], due, now)
  elseif is_full and limit > 0 then
    -- One waits though there is a place: its turn comes first.
    leave_again(queue, lane, own_limit, true)
  end
  local start = due
  local _, known = limit_of(queue, lane)
  if pace ~= '' and known.unit_ms ~= read_pace(pace) then
    use_until(queue, lane, used_until(queue, lane, now), now, (read_pace(pace)))
  end
  if not is_full and known.until_ms then
    start = paced_due(queue, lane, pace, limit, due, units_ahead(queue, lane), now)
  end
  redis.call('ZADD', key, is_full and score_outside(due) or score_inside(due), id)
  return not is_full and start or nil
end

-- The same of a job that is not in its queue, and into the queue if there is a place. Returns whether it is there.
function join_lane(queue, id, rule, due, now, is_new)
  local start = take_place(queue, id, rule, due, now, is_new)
  redis.call('ZADD', start and queue or queue .. ':waiting', string.format('%.4f', start or due), id)
  if start then
    go_ahead(queue, id, start, now)
  end
  return start ~= nil
end

-- Put a job into its lane, if it has one. Returns whether it is in the queue; nil if it has none.
function put_in_lane(queue, id, due, now)
  local rule = redis.call('HGET', queue .. ':laned', id)
  local lane, limit, pace = read_rule(rule)
  if lane and not is_dropped(pace) then
    redis.call('ZREM', queue .. ':lane:' .. lane, id)
    leave_again(queue, lane, limit)
    return join_lane(queue, id, rule, due, now)
  end
end

-- A new job with this rule; `put_in` follows.
function give_lane(queue, id, rule)
  redis.call('HSET', queue .. ':laned', id, rule)
  laned[queue] = true
end

-- Jobs leave their lanes; *rules* are their entries. The next ones come in as the call ends: `close_lanes`.
function leave_lanes(queue, ids, rules)
  local had, dropped, by_lane = {}, {}, {}
  for i, id in ipairs(ids) do
    local lane, limit, pace = read_rule(rules[i])
    if lane then
      had[#had + 1] = id
      dropped[#dropped + 1] = is_dropped(pace) and id or nil
      by_lane[lane] = by_lane[lane] or { limit = limit }
      table.insert(by_lane[lane], id)
    end
  end
  for lane, of_lane in pairs(by_lane) do
    for _ = 1, redis.call('ZREM', queue .. ':lane:' .. lane, unpack(of_lane)) do
      leave_again(queue, lane, of_lane.limit)
    end
  end
  if #had > 0 then
    redis.call('HDEL', queue .. ':laned', unpack(had))
  end
  if #dropped > 0 then
    redis.call('HDEL', queue .. ':dropped', unpack(dropped))
  end
end

-- A job leaves its queue; dead_id: under which it goes on if it has died, and comes back to its lane if it is retried.
function leave_lane(queue, id, dead_id)
  local rule = redis.call('HGET', queue .. ':laned', id)
  if rule then
    leave_lanes(queue, { id }, { rule })
    if dead_id then
      redis.call('HSET', queue .. ':laned', dead_id, (string.gsub(rule, '^(%d+)x', '%1')))
    end
  end
end

-- A dead job runs again, as *id* from now on; `put_in` follows.
function take_lane_back(queue, dead_id, id)
  local rule = dead_id ~= id and uses_lanes(queue) and redis.call('HGET', queue .. ':laned', dead_id)
  if rule then
    redis.call('HDEL', queue .. ':laned', dead_id)
    redis.call('HSET', queue .. ':laned', id, rule)
  end
end

-- A job goes on in another queue, in the lane of the same name there; `put_in` follows.
function carry_lane(queue, id, target)
  local rule = uses_lanes(queue) and redis.call('HGET', queue .. ':laned', id)
  if rule then
    leave_lanes(queue, { id }, { rule })
    give_lane(target, id, (string.gsub(rule, '^(%d+)x', '%1')))
  end
end

-- A job whose next attempt is due later gives its place up until then. It stands in its queue, and nobody holds it. One
-- that is due as before keeps its place, unless it gave that up when it was claimed.
function step_back(queue, id, due, now, is_later)
  local rule = redis.call('HGET', queue .. ':laned', id)
  local _, _, pace = read_rule(rule)
  if not rule or is_dropped(pace) or (pace == '' and not is_later) or redis.call('ZREM', queue, id) == 0 then
    return
  end
  local is_retry = redis.call('ZREM', queue .. ':retrying', id) == 1
  if put_in(queue, id, tonumber(due), now) and is_retry then
    redis.call('ZADD', queue .. ':retrying', due, id)
  end
end

-- Another time for a job that waits in its queue or lane. Returns false if it has no lane, or waits elsewhere.
function wait_anew(queue, id, due, now)
  local lane, limit = read_rule(redis.call('HGET', queue .. ':laned', id))
  local key = lane and queue .. ':lane:' .. lane
  if not lane or not redis.call('ZSCORE', key, id) then
    return false
  end
  if redis.call('ZREM', queue .. ':waiting', id) == 1 then
    put_in(queue, id, due, now)
    return true
  end
  local due_text = string.format('%.4f', due)
  redis.call('ZADD', queue, due_text, id)
  go_ahead(queue, id, due, now)
  if redis.call('ZSCORE', queue .. ':retrying', id) then
    redis.call('ZADD', queue .. ':retrying', due_text, id)
  end
  if due > now then
    unseat(queue, key, id, due)
    leave_again(queue, lane, limit, true)
  end
  return true
end

-- A job that waits has got the arguments of another call, and with them the lane of that, '' for none. A suspect stays
-- in its lane: it runs alone.
function change_lane(queue, id, rule, now)
  local old = uses_lanes(queue) and redis.call('HGET', queue .. ':laned', id) or ''
  if old == rule or redis.call('ZSCORE', queue .. ':suspects', id) then
    return
  end
  local was_in = read_rule(old)
  local waited = was_in and redis.call('ZSCORE', queue .. ':lane:' .. was_in, id)
  leave_lane(queue, id)
  if rule ~= '' then
    give_lane(queue, id, rule)
  end
  local lane = read_rule(rule)
  local due = tonumber(redis.call('ZSCORE', queue, id) or nil)
  if due and lane then
    local start = take_place(queue, id, rule, due, now, true)
    if not start then
      unseat(queue, queue .. ':lane:' .. lane, id, due)
    elseif start > due then
      redis.call('ZADD', queue, string.format('%.4f', start), id)
    end
  elseif not due and waited then
    due = tonumber(redis.call('ZSCORE', queue .. ':waiting', id) or nil) or now
    redis.call('ZREM', queue .. ':waiting', id)
    put_in(queue, id, due, now)
  end
end

-- A new job of a lane; place: ':waiting' if it waits for another job first. Returns where it stands, '' in the queue.
function enter_lane(queue, id, rule, place, mode, due, now)
  if mode ~= 'new' then
    -- One of this id may have been ended by a program that knows no lanes.
    leave_lane(queue, id)
  end
  give_lane(queue, id, rule)
  if place ~= '' then
    redis.call('ZADD', queue .. place, string.format('%.4f', due), id)
    return place
  end
  return join_lane(queue, id, rule, due, now, true) and '' or ':waiting'
end

-- When each of these may start that come into one lane, one after the other.
local function pace_comers(queue, lane, comers, now)
  local ids, ahead = {}, units_ahead(queue, lane)
  for i, comer in ipairs(comers) do
    ids[i] = comer[1]
  end
  local limit, known = limit_of(queue, lane, 1)
  local rules = known.unit_ms > 0 and redis.call('HMGET', queue .. ':laned', unpack(ids)) or {}
  for i, comer in ipairs(comers) do
    local _, _, pace = read_rule(rules[i])
    comer[4] = paced_due(queue, lane, pace, limit, comer[2], ahead, now)
    ahead = ahead + select(2, read_pace(pace))
  end
end

-- Those of a lane that come next, as many as there are places, in `comers`: id, due time and lane. Returns whether the
-- lane has no job.
local function find_next(queue, lane, left, comers, now)
  local key, limit = queue .. ':lane:' .. lane, limit_of(queue, lane, left.limit)
  local first = limit > 8 and math.max(0, limit - math.min(left.freed, 8)) or 0
  local found = limit > 0 and redis.call('ZRANGE', key, first, limit - 1, 'WITHSCORES') or {}
  if limit > 8 and (left.freed > 8 or found[2] and tonumber(found[2]) >= 0) then
    local places = math.min(limit - redis.call('ZCOUNT', key, '-inf', '(0'), FLOW_STEP)
    found = redis.call('ZRANGEBYSCORE', key, 0, '+inf', 'WITHSCORES', 'LIMIT', 0, places)
  end
  local own = {}
  for i = 1, #found, 2 do
    if tonumber(found[i + 1]) >= 0 then
      own[#own + 1] = { found[i], tonumber(found[i + 1]), lane }
      comers[#comers + 1] = own[#own]
    end
  end
  local _, known = limit_of(queue, lane)
  if #own > 0 and known.until_ms then
    pace_comers(queue, lane, own, now)
  end
  local last = tonumber(found[#found])
  if last and last < 0 and last + FAR > now then
    -- One inside is not due: it makes room for one that waits and is due before.
    local head = redis.call('ZRANGEBYSCORE', key, 0, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if head[1] and make_room(queue, key, found[#found - 1], last, tonumber(head[2]), now) then
      leave_again(queue, lane, left.limit, true)
    end
  end
  return #found == 0 and (first == 0 and limit > 0 or redis.call('EXISTS', key) == 0)
end

-- Let one job in; it stands in its lane alone, or in its queue, too, where it has given up its place.
local function seat(queue, comer, inside, now)
  local id, due, lane, start = unpack(comer)
  inside[lane] = inside[lane] or {}
  table.insert(inside[lane], score_inside(due))
  table.insert(inside[lane], id)
  if start and start > due and start > now then
    return start
  end
  if due > now and (tonumber(text_at(base .. 'retry:' .. id) or nil) or 0) > 0 then
    redis.call('ZADD', queue .. ':retrying', score_outside(due), id)
  end
  return math.max(due, now)
end

-- Let these in, FLOW_STEP at most: into the queue at its end. Returns how many.
local function seat_all(queue, comers, now)
  local ids, inside, entries = {}, {}, {}
  for i, comer in ipairs(comers) do
    ids[i] = comer[1]
  end
  local waiting = redis.call('ZMSCORE', queue .. ':waiting', unpack(ids))
  for i, comer in ipairs(comers) do
    if waiting[i] or redis.call('ZSCORE', queue, comer[1]) then
      local due = seat(queue, comer, inside, now + #entries * 0.000125)
      entries[#entries + 1], entries[#entries + 2] = string.format('%.4f', due), comer[1]
    else
      -- It had given up its place, and a stock arq worker has run it.
      redis.call('ZREM', queue .. ':lane:' .. comer[3], comer[1])
      redis.call('HDEL', queue .. ':laned', comer[1])
      leave_again(queue, comer[3], 1, true)
    end
  end
  for lane, members in pairs(inside) do
    redis.call('ZADD', queue .. ':lane:' .. lane, unpack(members))
  end
  redis.call('ZREM', queue .. ':waiting', unpack(ids))
  if #entries > 0 then
    redis.call('ZADD', queue, unpack(entries))
  end
  for i = 1, uses_ahead(queue) and #entries or 0, 2 do
    go_ahead(queue, entries[i + 1], tonumber(entries[i]), now)
  end
  return #entries / 2
end

local function forget_lanes(queue, lanes, now)
  local forgotten = {}
  for _, lane in ipairs(lanes) do
    local known = lane_limits[queue .. '|' .. lane]
    if known.own and not known.set then
      known.own = nil
      forgotten[#forgotten + 1] = lane
    end
  end
  if #forgotten > 0 then
    redis.call('HDEL', queue .. ':lanes', unpack(forgotten))
    for _, lane in ipairs(forgotten) do
      local known = lane_limits[queue .. '|' .. lane]
      if known.until_ms and used_until(queue, lane, now) <= now then
        known.until_ms, known.unit_ms = nil, nil
        redis.call('HDEL', queue .. ':paced', lane)
      end
    end
  end
end

local function close_queue(queue, of_queue, now)
  local lanes, comers, empty, come = {}, {}, {}, 0
  for lane in pairs(of_queue) do
    lanes[#lanes + 1] = lane
  end
  read_limits(queue, lanes)
  for _, lane in ipairs(lanes) do
    if find_next(queue, lane, of_queue[lane], comers, now) then
      empty[#empty + 1] = lane
    end
  end
  forget_lanes(queue, empty, now)
  for first = 1, #comers, FLOW_STEP do
    come = come + seat_all(queue, { unpack(comers, first, math.min(first + FLOW_STEP - 1, #comers)) }, now)
  end
  if come > 0 then
    wake_many(queue, come)
  end
  return come
end

function let_all_in(now)
  local come = 0
  while next(lanes_left) do
    local left = lanes_left
    lanes_left = {}
    for queue, of_queue in pairs(left) do
      come = come + close_queue(queue, of_queue, now)
    end
  end
  return come
end

-- A worker has claimed these: those whose places are free with that leave them, and take their tokens.
function start_paced(queue, ids, now)
  local rules, by_lane, lanes = redis.call('HMGET', queue .. ':laned', unpack(ids)), {}, {}
  for i, id in ipairs(ids) do
    local lane, limit, pace = read_rule(rules[i])
    if lane and pace ~= '' then
      if not by_lane[lane] then
        by_lane[lane], lanes[#lanes + 1] = { limit = limit, unit_ms = read_pace(pace), units = 0 }, lane
      end
      table.insert(by_lane[lane], id)
      by_lane[lane].units = by_lane[lane].units + select(2, read_pace(pace))
    end
  end
  read_limits(queue, lanes)
  for _, lane in ipairs(lanes) do
    local of_lane = by_lane[lane]
    redis.call('ZREM', queue .. ':lane:' .. lane, unpack(of_lane))
    if of_lane.unit_ms > 0 then
      use_until(queue, lane, used_until(queue, lane, now) + of_lane.units * of_lane.unit_ms, now, of_lane.unit_ms)
    end
    for _ = 1, #of_lane do
      leave_again(queue, lane, of_lane.limit)
    end
  end
  let_all_in(now)
end

-- An attempt has spent other units than its claim took: its lane's tokens are used up until another time, and what
-- stands in the queue is due by that.
function correct_units(queue, own_rule, spent, now)
  local lane, limit, own_pace = read_rule(own_rule)
  local unit_ms, taken = read_pace(own_pace)
  if not lane or unit_ms == 0 or spent == taken then
    return
  end
  local places, known = limit_of(queue, lane, limit)
  local until_ms = math.min(known.until_ms or now, now + (known.ahead or 0))
  use_until(queue, lane, math.max(0, until_ms + (spent - taken) * unit_ms), now, unit_ms)
  local inside = redis.call('ZRANGEBYSCORE', queue .. ':lane:' .. lane, '-inf', '(0', 'WITHSCORES', 'LIMIT', 0, FLOW_STEP)
  local ahead = 0
  for i = 1, #inside, 2 do
    local _, _, pace = read_rule(redis.call('HGET', queue .. ':laned', inside[i]) or nil)
    local before = tonumber(redis.call('ZSCORE', queue, inside[i]) or nil)
    local start = paced_due(queue, lane, pace, places, tonumber(inside[i + 1]) + FAR, ahead, now)
    if before and before ~= start and place_of(queue, inside[i]) == 'waiting' then
      redis.call('ZADD', queue, string.format('%.4f', start), inside[i])
      go_ahead(queue, inside[i], start, now)
      if start < before then
        wake_one(queue)
      end
    end
    ahead = ahead + select(2, read_pace(pace))
  end
end

-- Let no job of the lane of this rule start for so many ms: those that stand in the queue come due later, the first then.
function hold_lane(queue, own_rule, ms, now)
  local lane, limit, own_pace = read_rule(own_rule)
  if not lane then
    return
  end
  local key, own_ms = queue .. ':lane:' .. lane, read_pace(own_pace)
  local ids = redis.call('ZRANGEBYSCORE', key, '-inf', '(0', 'LIMIT', 0, FLOW_STEP)
  local rules = #ids > 0 and redis.call('HMGET', queue .. ':laned', unpack(ids)) or {}
  local start = now + ms
  for i, id in ipairs(ids) do
    local _, _, pace = read_rule(rules[i])
    local unit_ms, units = read_pace(pace)
    local due = tonumber(redis.call('ZSCORE', queue, id) or nil)
    if due and due < start and place_of(queue, id) == 'waiting' then
      redis.call('ZADD', queue, string.format('%.4f', start), id)
    end
    start = start + (unit_ms > 0 and units * unit_ms or 0)
  end
  local places = limit_of(queue, lane, limit)
  local until_ms = now + ms + (math.max(1, places) - 1) * own_ms
  use_until(queue, lane, math.max(used_until(queue, lane, now), until_ms), now, own_ms)
end
end
