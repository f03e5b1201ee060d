-- Whether a job has started under the claim whose mark *owner* is, as far as Redis knows; from now on it has.
--
-- Not a script: the ones that need it begin with it. A claim's jobs are in a set until they start.
local function has_started(owner, id)
  return redis.call('SREM', base .. 'unstarted:' .. string.match(owner, '^[^|]*'), id) == 0
end

