-- Set keys aside that are not of their type.
--
-- KEYS  the keys
-- ARGV  the type of each; '' for a key that is to go whatever it is
-- Returns those that were set aside.
--
-- Keeps: nothing is deleted, and what has its type is not touched.
local gone = {}
for i, key in ipairs(KEYS) do
  local kind = raw.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= ARGV[i] then
    set_aside(key)
    gone[#gone + 1] = key
  end
end
return gone
