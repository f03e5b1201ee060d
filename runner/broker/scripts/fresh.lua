-- Enqueue jobs that are sent in short blocks, for `enqueue`, which begins with this part. It is no script by itself.
--
-- Keeps: it comes before what the other jobs need, since a service enqueues most of its jobs one by one, and each call
-- would define all of that anew. If a key has another type, `entries` and `tokens` are left for the rest of the script;
-- `entries` alone if the jobs belong to a batch, whose books are still to be written.
local entries, tokens
if ARGV[HEAD.form] == 'fresh' then
  local batch = ARGV[HEAD.batch]
  if batch ~= '' and type(redis.pcall('HGET', KEYS[2] .. 'batch:' .. batch .. ':plan', 'cancelled_ms')) == 'string' then
    return 0
  end
  local time, job = redis.call('TIME'), KEYS[2] .. 'job:'
  local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
  local bodies, ready = {}, 0
  entries, tokens = {}, {}
  for at = HEAD.size + 1, #ARGV, FRESH.size do
    local id, n = ARGV[at + FRESH.id], 2 * ready
    bodies[n + 1], bodies[n + 2] = job .. id, ARGV[at + FRESH.body]
    entries[n + 1], entries[n + 2] = string.format('%.4f', now + ready * 0.00025), id
    ready = ready + 1
    if ready <= WAKE_TOKENS then
      tokens[ready] = '1'
    end
  end
  if redis.call('MSETNX', unpack(bodies)) == 0 then
    return 0
  end
  local put = redis.pcall('ZADD', KEYS[1], unpack(entries))
  local woken = redis.pcall('LPUSH', KEYS[1] .. ':wake', unpack(tokens))
  if type(put) == 'number' and type(woken) == 'number' then
    if woken > WAKE_TOKENS then
      redis.call('LTRIM', KEYS[1] .. ':wake', 0, WAKE_TOKENS - 1)
    end
    if batch == '' then
      return 1
    end
    tokens = nil
  end
end

