-- Which workers are late with their renewals.
--
-- Not a script: the ones that need it begin with it. A worker that lives renews long before its leases end. After a
-- time in which nobody reached Redis all leases have lapsed, and those who live renew at once: so a worker is given
-- up only when its leases have ended and somebody has seen it late for a while.
local function late_workers(queue, now, lease, but)
  local grace, found = lease / 6, {}
  local late = redis.call(
    'ZRANGEBYSCORE', queue .. ':holders', '-inf', string.format('%.4f', now + grace), 'WITHSCORES', 'LIMIT', 0, 10
  )
  for i = 1, #late, 2 do
    local worker, ends = late[i], late[i + 1]
    if worker == '' then
      redis.call('ZREM', queue .. ':holders', worker)
    elseif worker ~= but then
      local seen_ends, since = string.match(redis.call('HGET', queue .. ':late', worker) or '', '^(.*)|(.*)$')
      -- Seen in the future: Redis's clock was set back since.
      if seen_ends ~= ends or not ((tonumber(since) or math.huge) <= now) then
        since = string.format('%.4f', now)
        redis.call('HDEL', queue .. ':late', '')
        redis.call('HSET', queue .. ':late', worker, ends .. '|' .. since)
      end
      local lapses = tonumber(ends)
      found[#found + 1] = { worker = worker, lapses = lapses, lost = math.max(lapses, tonumber(since) + grace) }
    end
  end
  return found
end

