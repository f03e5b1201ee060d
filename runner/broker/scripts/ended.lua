-- Tell which of many jobs have ended.
--
-- KEYS  1 the queue, 2 the base of the application's keys
-- ARGV  their ids
-- Returns 0 for each that waits, runs or is parked; otherwise 1.
--
-- Keeps: it only reads. In what has another type stands no job.
local queue, base = KEYS[1], KEYS[2]

local function stands_in(suffix, id)
  return type(redis.pcall('ZSCORE', queue .. suffix, id)) == 'string'
end

local waiting = redis.pcall('ZMSCORE', queue, unpack(ARGV))
local apart = redis.call('EXISTS', queue .. ':parked', queue .. ':waiting') > 0
local ended = {}
for i, id in ipairs(ARGV) do
  local is_pending = waiting[i]
    or stands_in(':suspects', id)
    or (apart and (stands_in(':parked', id) or stands_in(':waiting', id)))
    or redis.call('EXISTS', base .. 'in-progress:' .. id) == 1
  ended[i] = is_pending and 0 or 1
end
return ended
