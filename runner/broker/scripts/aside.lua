-- Commands on keys that may hold what nobody of ours has written, for the scripts that name this part: in them,
-- `redis.call` is the one below. It is no script by itself.
--
-- Keeps: a script ends, whatever its keys hold. A key of a type that the command is not for is set aside, with all that
-- it holds, and the command is repeated as if there were none. Who may not rename the key gets the command's error.
-- No script touches a key that does not begin with the application's base: the caller gives it as KEYS[2], a key that
-- never exists, and each other name is made from it.
local raw, base = redis, KEYS[2]
local redis = { pcall = raw.pcall }

local function has_failed(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

local function make_room_for_one_aside()
  local prefix = base .. 'aside:'
  for key, kind in pairs({ [base .. 'aside'] = 'zset', [base .. 'aside-untold'] = 'list' }) do
    if raw.call('TYPE', key).ok ~= kind then
      raw.call('DEL', key)
    end
  end
  for _, oldest in ipairs(raw.call('ZRANGE', base .. 'aside', 0, -ASIDE_MOST)) do
    if string.sub(oldest, 1, #prefix) == prefix then
      raw.call('DEL', oldest)
    end
    raw.call('ZREM', base .. 'aside', oldest)
  end
end

-- Rename a key, or take one field out of a hash; a worker says so with its next heartbeat. Returns whether it has.
local function set_aside(key, field)
  local time = redis.call('TIME')
  local ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  local held, kept = raw.pcall('TYPE', key), base .. 'aside:' .. ms .. ':' .. key
  if has_failed(held) then
    return false
  end
  local kind = held.ok
  if field then
    kind = 'field'
    raw.pcall('HSET', kept, field, raw.call('HGET', key, field))
    raw.call('HDEL', key, field)
  elseif has_failed(raw.pcall('RENAME', key, kept)) then
    return false
  end
  make_room_for_one_aside()
  raw.call('PEXPIRE', kept, ASIDE_KEPT_MS)
  raw.call('ZADD', base .. 'aside', ms, kept)
  raw.call('LPUSH', base .. 'aside-untold', kind .. '|' .. kept)
  raw.call('LTRIM', base .. 'aside-untold', 0, ASIDE_MOST - 1)
  return true
end

function redis.call(...)
  local reply = raw.pcall(...)
  if not has_failed(reply) then
    return reply
  end
  if string.find(reply.err, 'WRONGTYPE', 1, true) then
    set_aside((select(2, ...)))
  end
  return raw.call(...)
end

-- The whole number, not negative, that *text* says; nil if it says anything else, or more than Lua counts exactly.
local function whole(text)
  local number = tonumber(text or nil)
  return number and number >= 0 and number <= 9007199254740991 and number or nil
end

local function add(key, field, by)
  local reply = raw.pcall('HINCRBY', key, field, by)
  if has_failed(reply) and (string.find(reply.err, 'integer', 1, true) or string.find(reply.err, 'overflow', 1, true)) then
    set_aside(key, field)
  end
  if has_failed(reply) then
    redis.call('HINCRBY', key, field, by)
  end
end

-- A string's text, or false: of what has another type as well.
local function text_at(key)
  return raw.call('MGET', key)[1]
end

