-- Read what strings and lists hold, as far as a person may want to look at it.
--
-- KEYS  the keys
-- ARGV  LookHead, then for each key 'string' or 'list'
-- Returns for each nil if it is not there; {'string', value}; {'cut', length, start of the value}; {'list', length,
-- entries, the last one first}, where a number is the length of an entry that is too long; or {'type', its type}.
--
-- Keeps: it only reads, and a bounded number of bytes.
local each, left, most = tonumber(ARGV[HEAD.each]), tonumber(ARGV[HEAD.all]), tonumber(ARGV[HEAD.entries])

local look = {}

function look.string(key)
  local length = redis.pcall('STRLEN', key)
  if type(length) ~= 'number' then
    return { 'type', redis.call('TYPE', key).ok }
  end
  if length > math.min(each, left) then
    local start = redis.call('GETRANGE', key, 0, ARGV[HEAD.start] - 1)
    left = math.max(0, left - #start)
    return { 'cut', length, start }
  end
  left = left - length
  local value = redis.call('GET', key)
  return value and { 'string', value }
end

function look.list(key)
  local length = redis.pcall('LLEN', key)
  if type(length) ~= 'number' then
    return { 'type', redis.call('TYPE', key).ok }
  end
  local found = { 'list', length }
  for i = 1, math.min(most, length) do
    local entry = redis.call('LINDEX', key, -i)
    if left <= 0 and i > 1 then
      break
    end
    found[i + 2] = #entry <= math.min(each, left) and entry or #entry
    left = left - #entry
  end
  return length > 0 and found
end

local found = {}
for i, key in ipairs(KEYS) do
  found[i] = look[ARGV[HEAD.size + i]](key)
end
return found
