"""Whether what Redis has of one queue fits together: each job in exactly one state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import redis

    from runner.broker.keys import Keys

_LOOK = """\
-- KEYS: the queue's key, the base. Returns a line for each thing that does not fit.
local queue, base = KEYS[1], KEYS[2]
local problems, places = {}, {}
local function problem(id, what)
  problems[#problems + 1] = id .. ' ' .. what
end
local function ids(pattern)
  local found = redis.call('KEYS', base .. pattern .. '*')
  for i = 1, #found do
    found[i] = string.sub(found[i], #base + #pattern + 1)
  end
  return found
end
for _, place in ipairs({ '', ':suspects', ':parked', ':dead' }) do
  for _, id in ipairs(redis.call('ZRANGE', queue .. place, 0, -1)) do
    if places[id] then
      problem(id, 'is in two places: ' .. places[id] .. ' and ' .. place)
    end
    places[id] = place
    if redis.call('EXISTS', base .. 'job:' .. id) == 0 then
      problem(id, 'is in a place, and has no body')
    end
  end
end
for _, id in ipairs(ids('job:')) do
  if not places[id] then
    problem(id, 'has a body, and is in no place')
  end
end
for _, id in ipairs(redis.call('HKEYS', queue .. ':running')) do
  if places[id] ~= '' then
    problem(id, 'runs, and is not in the queue')
  elseif redis.call('ZSCORE', queue .. ':retrying', id) then
    problem(id, 'runs, and waits for its retry')
  end
end
for _, id in ipairs(redis.call('ZRANGE', queue .. ':retrying', 0, -1)) do
  if places[id] ~= '' then
    problem(id, 'waits for its retry, and is not in the queue')
  end
end
for _, id in ipairs(redis.call('HKEYS', queue .. ':crashes')) do
  if not places[id] then
    problem(id, 'has crashes, and is in no place')
  end
end
for _, pattern in ipairs({ 'in-progress:', 'retry:' }) do
  for _, id in ipairs(ids(pattern)) do
    if not places[id] then
      problem(id, 'has a key ' .. pattern .. ', and is in no place')
    elseif pattern == 'in-progress:' and redis.call('HEXISTS', queue .. ':running', id) == 0 then
      problem(id, 'has a key in-progress:, and does not run')
    end
  end
end
return problems
"""


def contradictions(client: redis.Redis, own: Keys, queue: str) -> list[str]:
    """Return what does not fit together, a line for each; looked at in one atomic step."""
    found: Any = client.eval(_LOOK, 2, own.queue_key(queue), own.base)
    return [line.decode(errors="backslashreplace") for line in found]
