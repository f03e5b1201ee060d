-- What is known of a job's crashes: `<ms>=<token of the claim that was lost>` for each, the oldest first.
--
-- Not a script: the ones that need it begin with it. A crash is forgotten after three days.
local function crashes_of(queue, id, now)
  local entries = {}
  for entry in string.gmatch(redis.call('HGET', queue .. ':crashes', id) or '', '%S+') do
    local at = tonumber(string.match(entry, '^%d+'))
    if at and at > now - CRASHES_KEPT_MS then
      entries[#entries + 1] = entry
    end
  end
  return entries
end

local function keep_crashes(queue, id, entries)
  if #entries > 0 then
    redis.call('HSET', queue .. ':crashes', id, table.concat(entries, ' '))
  else
    redis.call('HDEL', queue .. ':crashes', id)
  end
end

-- Take back the crash that was counted when the claim of this token lapsed: its worker lives.
local function take_crash_back(queue, id, token, now)
  local kept, found = {}, false
  for _, entry in ipairs(crashes_of(queue, id, now)) do
    if string.match(entry, '=(.*)$') == token then
      found = true
    else
      kept[#kept + 1] = entry
    end
  end
  if not found then
    return
  end
  keep_crashes(queue, id, kept)
  local due = #kept == 0 and redis.call('ZSCORE', queue .. ':suspects', id)
  if due and redis.call('HEXISTS', queue .. ':running', id) == 0 then
    redis.call('ZREM', queue .. ':suspects', id)
    redis.call('ZADD', queue, due, id)
  end
end

