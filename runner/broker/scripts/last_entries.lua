-- Read the last entry of each of many histories.
--
-- KEYS  the histories
-- Returns an entry for each of them, or nil.
--
-- Keeps: it only reads.
local entries = {}
for i, key in ipairs(KEYS) do
  entries[i] = redis.call('LINDEX', key, -1)
end
return entries
