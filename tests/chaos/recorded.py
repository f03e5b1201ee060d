"""
The history of a run: each script also writes down its call and reply, in the same atomic step.

So the history has the order in which Redis ran the calls, those whose answers were lost included,
and it is lost with what they did if Redis loses that.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

# Their copies of the texts are replaced, so they must be loaded.
import runner.admin
import runner.enqueue
import runner.on_arq.worker  # noqa: F401 -- likewise
from runner.broker.scripts import SCRIPTS
from runner.broker.scripts.fields import ClaimReply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis

NAMES = ("enqueue", "claim", "settle", "renew", "start", "recover", "admin", "set_back")
"""The scripts that change what a job is."""

_CALLS = "chaos:calls"
_COUNT = "chaos:count"
_LONGEST = 300
PROMOTED, RESTARTED = "promoted", "restarted"
"""Why the history goes on from an earlier call."""

_PAGE = 2_000
_JUMP_MS = 1_800_000.0

_TEXT = """\
local server, time = redis, false
local redis = setmetatable({}, { __index = server })
redis.call = function(name, ...)
  local answer = server.call(name, ...)
  if name == 'TIME' then
    time = answer
  end
  return answer
end
local function script()
%s
end
local reply = script()
time = time or server.call('TIME')
%s
local function short(value)
  if type(value) == 'string' then
    return string.sub(value, 1, %d)
  elseif type(value) ~= 'table' then
    return value
  end
  local values = {}
  for i = 1, #value do
    values[i] = short(value[i])
  end
  return values
end
-- A full Redis refuses it if the script has written nothing: then there is nothing to write down.
local number = server.pcall('INCR', '%s')
if type(number) == 'number' then
  local at = time[1] .. '.' .. string.format('%%06d', time[2])
  local call = { number, '%s', at, short(ARGV), short(reply) }
  server.call('RPUSH', '%s', cjson.encode(call))
end
return reply
"""
_UNLESS = {"claim": f"if #reply == {len(ClaimReply._fields)} then return reply end"}
"""Claims that found nothing are most of all calls, and change no job."""


def recording_scripts() -> dict[str, str]:
    """Return texts of scripts that also write down their calls."""
    return {
        name: _TEXT % (SCRIPTS[name].text(), _UNLESS.get(name, ""), _LONGEST, _COUNT, name, _CALLS)
        for name in NAMES
    }


@dataclass(frozen=True, slots=True)
class Call:
    """
    One call of a script.

    number: its place in the history. at_ms: the time that the script saw. real_s: the Unix time,
    whatever Redis's clock showed. args: ARGV, of which long ones are cut off.
    """

    number: int
    script: str
    at_ms: float
    real_s: float
    args: list[bytes]
    reply: Any


class Recorder:
    """Takes what was written down out of Redis, and into a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")

    def drain(self, client: redis.Redis) -> int:
        """Move a page of calls; return how many there were. Redis may be away: then none."""
        with contextlib.suppress(RedisError):
            calls: Any = client.lrange(_CALLS, 0, _PAGE - 1)
            if calls:
                self._file.write(b"".join(call + b"\n" for call in calls))
                self._file.flush()
                # If this is not done, they are read twice, which their numbers show.
                client.ltrim(_CALLS, len(calls), -1)
            return len(calls)
        return 0

    def drain_all(self, client: redis.Redis) -> None:
        """Move all calls."""
        while self.drain(client):
            pass

    def roll_back(self, client: redis.Redis, why: str) -> None:
        """Note that the history goes on after the last call that this server has."""
        last = int(client.get(_COUNT) or 0)  # type: ignore[arg-type]  # its hints: sync or async
        self._file.write(b"%d %s\n" % (last, why.encode()))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(slots=True)
class Lines:
    """The lines of a history, in order, and those that Redis has lost, by why it did."""

    kept: list[bytes]
    lost: dict[str, list[bytes]]


def read_lines(path: Path) -> Lines:
    """Read the lines of a history."""
    kept: dict[int, bytes] = {}
    lost: dict[str, list[bytes]] = {}
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith(b"["):
                kept.setdefault(int(line[1 : line.index(b",")]), line)
                continue
            last, why = line.decode().split()
            for number in [one for one in kept if one > int(last)]:
                lost.setdefault(why, []).append(kept.pop(number))
    return Lines([kept[number] for number in sorted(kept)], lost)


def calls(lines: list[bytes], offset_s: float = 0.0) -> Iterator[Call]:
    """
    Read the calls of a history.

    Redis's clock is set forward and back during a run: a jump of half an hour and more between two
    calls is taken as one, which says what time it really was. offset_s: added to that.
    """
    jumped_ms, last_ms = 0.0, None
    for line in lines:
        number, script, at, args, reply = json.loads(line.decode("utf-8", "surrogateescape"))
        at_ms = float(at) * 1000
        if last_ms is not None and abs(at_ms - last_ms) > _JUMP_MS:
            jumped_ms += round((at_ms - last_ms) / 3_600_000) * 3_600_000
        last_ms = at_ms
        real_s = (at_ms - jumped_ms) / 1000 + offset_s
        yield Call(number, script, at_ms, real_s, _bytes(args), _bytes(reply))


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [_bytes(one) for one in value]
    return [] if value == {} else value


def monotonic_offset_s() -> float:
    """Return what makes this process's Unix time its monotonic time."""
    return time.monotonic() - time.time()
