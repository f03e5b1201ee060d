-- Set keys aside that are not of their type.
--
-- KEYS  1 the register of what is set aside, 2 the base of the application's keys;
--       then the keys
-- ARGV  the type of each; '' for a key that is to go whatever it is
-- Returns those that were set aside.
--
-- Keeps: nothing is deleted, and what has its type is not touched.
local gone = {}
for i = 3, #KEYS do
  local key = KEYS[i]
  local kind = raw.pcall('TYPE', key).ok or 'none'
  if kind ~= 'none' and kind ~= ARGV[i - 2] and set_aside(key) then
    gone[#gone + 1] = key
  end
end
return gone
