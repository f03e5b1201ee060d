-- The one exit of a queue, for the scripts that name this part. It is no script by itself.
--
-- Keeps: a job that ends, dies, or leaves for another queue passes here, in the step that takes it out of its queue's
-- sets: whatever counts on jobs hears of each, and a crash can leave nothing behind. how: the state that its batch
-- counts; '' for one that it counts no more; 'apart' for one that goes on elsewhere, or was counted before. dead_id:
-- under which it goes on if it has died. passed: what a node of a flow passes on.
local function gone(queue, queue_name, id, batch, how, dead_id, passed)
  if how ~= 'apart' and uses_keys(queue) then
    free_key(queue, id, how, dead_id, now_ms())
  end
  if how ~= 'apart' and uses_lanes(queue) then
    leave_lane(queue, id, dead_id)
  end
  if how ~= 'apart' and uses_ahead(queue) then
    leave_ahead(queue, id, dead_id)
  end
  if not batch or batch == '' then
    return
  end
  local book = book_of(batch)
  note_in(book.gone, queue_name, id)
  if how ~= '' and how ~= 'apart' then
    count_in_batch(batch, queue_name .. '|' .. how, 1)
  end
  if dead_id then
    note_in(book.died, queue_name, dead_id)
  end
  if how ~= 'apart' then
    end_node(batch, id, how, passed or '')
  end
end

-- The jobs that have ended without dying, by the time of their end: an operator finds them there. A list of bounded
-- length, not a record. *most*: how many stay listed; '0' for none, '' for all: a later call of a worker trims it.
local function list_as_done(queue, ids, now, most)
  if most == '0' then
    return
  end
  local ended, ms = {}, string.format('%.0f', now)
  for i, id in ipairs(ids) do
    ended[2 * i - 1], ended[2 * i] = ms, id
  end
  redis.call('ZADD', queue .. ':done', unpack(ended))
  -- By commands that the users of Redis in deploy/ have had all along.
  local beyond = most ~= '' and redis.call('ZCARD', queue .. ':done') - tonumber(most) or 0
  if beyond > 0 then
    redis.call('ZREM', queue .. ':done', unpack(redis.call('ZRANGE', queue .. ':done', 0, math.min(beyond, 500) - 1)))
  end
end

