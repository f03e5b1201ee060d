-- Set keys aside that are not of their type.
--
-- KEYS  the keys
-- ARGV  the type of each; '' for a key that is to go whatever it is
-- Returns those that were set aside.
--
-- Keeps: nothing is deleted, and what has its type is not touched.
local gone = {}
for i, key in ipairs(KEYS) do
  local kind = raw.pcall('TYPE', key).ok or 'none'
  if kind ~= 'none' and kind ~= ARGV[i] and set_aside(key) then
    gone[#gone + 1] = key
  end
end
return gone
