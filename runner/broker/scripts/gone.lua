-- The one exit of a queue, for the scripts that name this part. It is no script by itself.
--
-- Keeps: a job that ends, dies, or leaves for another queue passes here, in the step that takes it out of its queue's
-- sets: whatever counts on jobs hears of each, and a crash can leave nothing behind. how: the state that its batch
-- counts; '' for one that it counts no more. dead_id: under which it goes on if it has died.
local function gone(queue_name, id, batch, how, dead_id)
  if not batch or batch == '' then
    return
  end
  local book = book_of(batch)
  note_in(book.gone, queue_name, id)
  if how ~= '' then
    count_in_batch(batch, queue_name .. '|' .. how, 1)
  end
  if dead_id then
    note_in(book.died, queue_name, dead_id)
  end
end

