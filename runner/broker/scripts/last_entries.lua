-- The last entry of each of many histories.
--
-- KEYS  histories
-- Returns an entry, or nothing, for each of them.
--
-- Keeps: it only reads.
local entries = {}
for i, key in ipairs(KEYS) do
  entries[i] = redis.call('LINDEX', key, -1)
end
return entries
