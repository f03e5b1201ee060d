-- The nodes of flows, for the scripts that name this part. It is no script by itself.
--
-- Keeps: a flow is a batch, some of whose jobs, its nodes, wait for others. What ends a node starts the nodes that
-- needed no more than it, in the same step, and its result is there for them by then. A node is started once: its
-- letter is taken off in that step. A node that was started is counted by its successors once, though it may die, go
-- on and be done later. A node that cannot give a result any more, and whose flow does not go on without it, cancels the
-- rest. One call enqueues FLOW_STEP nodes at most; what is ready beyond waits for the next call, or the poller.
local flow_room, put_nodes = FLOW_STEP, nil

local function of_batch(batch, what)
  return base .. 'batch:' .. batch .. ':' .. what
end

-- The node of a job, and behind a point which of its jobs it is, if the node is a map.
local function node_of(batch, id)
  if string.sub(id, 1, #batch + 1) ~= batch .. ':' then
    return nil
  end
  return string.match(string.sub(id, #batch + 2), '^(%d+)(%.?%d*)~?%d*$')
end

local function start_node(batch, node, letter, now)
  local queue_name = put_letter(batch, node, letter, now)
  if queue_name then
    note_in(book_of(batch).come, queue_name, batch .. ':' .. node)
  end
  return queue_name
end

-- Forget nodes that wait, FLOW_STEP at most; returns how many.
local function drop_waiting(batch)
  local found = try('HSCAN', of_batch(batch, 'letters'), '0', 'COUNT', FLOW_STEP)
  if has_failed(found) then
    return 0
  end
  local dropped, states = {}, {}
  for i = 1, math.min(#found[2], 2 * FLOW_STEP), 2 do
    local node = found[2][i]
    local queue_name, over = string.match(found[2][i + 1], '^[^\n]*\n[^\n]*\n[^\n]*\n([^\n]*)\n[^\n]*\n([^\n]*)$')
    local n = #dropped + 1
    dropped[n], states[2 * n - 1], states[2 * n] = node, node, 'aborted'
    if over == '' then
      count_in_batch(batch, queue_name .. '|aborted', 1)
    end
  end
  if #dropped > 0 then
    try('HDEL', of_batch(batch, 'letters'), unpack(dropped))
    try('HSET', of_batch(batch, 'state'), unpack(states))
  end
  return #dropped
end

-- Let no node start any more. What waits in queues or runs is aborted by the poller, which comes at once.
local function cancel_rest(batch, now)
  try('HSETNX', of_batch(batch, 'plan'), 'cancelled_ms', string.format('%.0f', now))
  book_of(batch).is_cancelled = true
  drop_waiting(batch)
  try('ZADD', base .. 'batches:live', string.format('%.0f', now), batch)
end

-- Nodes that needed one more, and may need no more now.
local function release(batch, successors, now)
  local names, state = {}, of_batch(batch, 'state')
  for name in string.gmatch(successors, '%d+') do
    names[#names + 1] = name
  end
  for first = 1, #names, FLOW_STEP do
    local some = { unpack(names, first, math.min(first + FLOW_STEP - 1, #names)) }
    local needs, changed, ready = try('HMGET', state, unpack(some)), {}, {}
    for i, name in ipairs(has_failed(needs) and {} or some) do
      local left = whole(needs[i])
      if left then
        changed[#changed + 1], changed[#changed + 2] = name, left > 1 and string.format('%.0f', left - 1) or 'started'
        if left <= 1 then
          ready[#ready + 1] = name
        end
      end
    end
    if #changed > 0 then
      try('HSET', state, unpack(changed))
    end
    if #ready > 0 then
      put_nodes(batch, ready, now)
    end
  end
end

local function end_of_map(batch, node, now)
  try('HSET', of_batch(batch, 'state'), node, 'done')
  local record = try('HGET', of_batch(batch, 'nodes'), node)
  if type(record) == 'string' then
    release(batch, string.match(record, '^[^\n]*\n([^\n]*)') or '', now)
  end
end

-- Enqueue the next jobs of a map; the last of them takes its letter off.
local function go_on_with_map(batch, node, letter, most, now)
  local state = of_batch(batch, 'state')
  local found = try('HMGET', state, node .. '.count', node .. '.next')
  local count, first = whole(found[1]), whole(found[2])
  if not count or not first then
    return
  end
  local last = math.min(first + most, count) - 1
  for i = first, last do
    local queue_name = start_node(batch, node .. '.' .. string.format('%.0f', i), letter, now)
    if queue_name then
      count_in_batch(batch, queue_name .. '|total', 1)
    end
  end
  try('HSET', state, node .. '.next', string.format('%.0f', last + 1))
  if last + 1 >= count then
    try('HDEL', of_batch(batch, 'letters'), node)
  end
end

local function start_map(batch, node, letter, over, now)
  local count = whole(try('HGET', of_batch(batch, 'results'), over)) or 0
  local text = string.format('%.0f', count)
  try('HSET', of_batch(batch, 'results'), node .. '#', text)
  if count == 0 then
    try('HDEL', of_batch(batch, 'letters'), node)
    end_of_map(batch, node, now)
    return
  end
  try('HSET', of_batch(batch, 'state'), node .. '.count', text, node .. '.left', text, node .. '.next', '0')
  local most = math.min(count, flow_room)
  flow_room = flow_room - most
  go_on_with_map(batch, node, letter, most, now)
end

function put_nodes(batch, nodes, now)
  if is_cancelled(batch) then
    return
  end
  local letters, put, later = try('HMGET', of_batch(batch, 'letters'), unpack(nodes)), {}, {}
  for i, node in ipairs(has_failed(letters) and {} or nodes) do
    local letter = letters[i]
    local over = letter and string.match(letter, '\n([^\n]*)$')
    if letter and flow_room <= 0 then
      later[#later + 1], later[#later + 2] = node, node
    elseif letter and over ~= '' then
      start_map(batch, node, letter, over, now)
    elseif letter and start_node(batch, node, letter, now) then
      flow_room = flow_room - 1
      put[#put + 1] = node
    end
  end
  if #put > 0 then
    try('HDEL', of_batch(batch, 'letters'), unpack(put))
  end
  if #later > 0 then
    try('ZADD', of_batch(batch, 'ready'), unpack(later))
    try('ZADD', base .. 'batches:live', string.format('%.0f', now), batch)
  end
end

-- Start nodes that are ready, as many as there is room for; returns how many are left.
function put_ready(batch, now)
  local ready = of_batch(batch, 'ready')
  local nodes = try('ZRANGE', ready, 0, math.max(flow_room, 1) - 1)
  if has_failed(nodes) or #nodes == 0 or flow_room <= 0 then
    return has_failed(nodes) and 0 or #nodes
  end
  try('ZREM', ready, unpack(nodes))
  put_nodes(batch, nodes, now)
  return whole(try('ZCARD', ready)) or 0
end

-- What a node passes on: how long its lists are over which maps go, in a line; then its result, or how it failed.
local function keep_passed(batch, own, node, how, passed)
  local results = of_batch(batch, 'results')
  if how ~= 'done' then
    try('HSET', results, own, '!' .. (passed == '' and '{}' or passed))
    return
  end
  local lengths, value = string.match(passed, '^([^\n]*)\n(.*)$')
  if not value then
    return
  end
  local kept, at = { own, value }, 0
  for length in string.gmatch(lengths, '%d+') do
    kept[#kept + 1], kept[#kept + 2] = node .. '#' .. at, length
    at = at + 1
  end
  try('HSET', results, unpack(kept))
end

-- One job of a map has ended: one more may start, and another one until FLOW_STEP of them are under way.
local function go_on_after(batch, node, left, now)
  local letter = try('HGET', of_batch(batch, 'letters'), node)
  if type(letter) ~= 'string' or is_cancelled(batch) then
    return
  end
  local found = try('HMGET', of_batch(batch, 'state'), node .. '.count', node .. '.next', node .. '.left')
  local count, first = whole(found[1]) or 0, whole(found[2]) or 0
  local under_way = first - (count - (left or whole(found[3]) or 0))
  go_on_with_map(batch, node, letter, under_way < FLOW_STEP - 1 and 2 or 1, now)
end

-- A job of a batch has ended as *how* says, '' if it was deleted; it may be a node.
local function end_node(batch, id, how, passed)
  local node, child = node_of(batch, id)
  local record = node and try('HGET', of_batch(batch, 'nodes'), node)
  if type(record) ~= 'string' then
    return
  end
  local policy, successors = string.match(record, '^([^\n]*)\n([^\n]*)')
  local state, now, own, left = of_batch(batch, 'state'), now_ms(), node .. child, nil
  local was = try('HGET', state, own)
  book_of(batch).is_flow = true
  if was == 'done' or was == 'failed' then
    return
  end
  if how == 'done' or policy == 'go_on' then
    try('HSET', state, own, how == 'done' and 'done' or 'failed')
    keep_passed(batch, own, node, how, passed)
    if child == '' then
      release(batch, successors, now)
    else
      left = whole(try('HINCRBY', state, node .. '.left', -1))
    end
  elseif how == 'dead' and policy == 'wait' then
    try('HSET', state, own, 'dead')
  else
    try('HSET', state, own, how == '' and 'deleted' or how)
    cancel_rest(batch, now)
  end
  if child ~= '' then
    go_on_after(batch, node, left, now)
    if left == 0 then
      end_of_map(batch, node, now)
    end
  end
end

-- A dead node runs again.
local function revive_node(batch, id)
  local node, child = node_of(batch, id)
  if node and try('HGET', of_batch(batch, 'state'), node .. child) == 'dead' then
    try('HSET', of_batch(batch, 'state'), node .. child, 'started')
  end
end
