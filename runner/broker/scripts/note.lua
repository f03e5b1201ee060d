-- Add an entry to a capped stream.
--
-- KEYS  1 the stream, 2 the base of the application's keys
-- ARGV  NoteHead, then names and values of the entry's fields
-- Returns the id of the entry.
--
-- Keeps: entries are in the order of Redis's time. A stream whose last entry lies more than a day in the future is set
-- aside: each new entry would lie behind that one.
local function put()
  return redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[HEAD.most], '*', unpack(ARGV, HEAD.size + 1))
end

local id = put()
if has_failed(id) and (string.find(id.err, 'WRONGTYPE', 1, true) or string.find(id.err, ' ID', 1, true)) then
  set_aside(KEYS[1])
elseif not has_failed(id) and tonumber(string.match(id, '^%d+')) > (redis.call('TIME')[1] + 86400) * 1000 then
  set_aside(KEYS[1])
else
  return id
end
return put()
