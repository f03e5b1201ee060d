"""Where a job may be moved: to a queue whose workers know it, or of which nobody can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.admin import refuse_far
from runner.broker import keys
from runner.broker.reading import Reader, keys_of, look
from runner.broker.servers import at, by_server
from runner.errors import ConfigurationError
from runner.operations.processes import workers_of
from runner.operations.search import LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis


async def known_jobs(redis: Redis, queues: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the names of the jobs that the workers of each queue know."""
    return {
        name: frozenset(job for worker in await workers_of(redis, name) for job in worker.jobs)
        for name in queues
    }


def refuse_unknown(to: str, names: frozenset[str], known: Mapping[str, frozenset[str]]) -> None:
    """
    Return if workers of *to* know the jobs called *names*, or nobody can tell.

    Raises:
        ConfigurationError: They do not.
    """
    here = known.get(to, frozenset())
    unknown = sorted(names - here)
    if not here or not unknown:
        return
    able = [queue for queue, jobs in known.items() if names <= jobs]
    where = f"; those of {', '.join(able)} do" if able else ""
    raise ConfigurationError(
        f"the workers of {to} do not know {', '.join(unknown[:3])}{where}: nothing was moved"
    )


async def check_move(
    redis: Redis, queues: Sequence[str], to: str, chosen: Sequence[tuple[str, str | bytes]]
) -> None:
    """
    Return if workers of *to* know each of *chosen*, its queue and its id.

    Raises:
        ConfigurationError: They do not, or *to* is on another server than one of those queues.
    """
    for queue in dict(chosen):
        refuse_far(redis, queue, to)
    names = frozenset(filter(None, await _names(redis, chosen)))
    refuse_unknown(to, names, await known_jobs(redis, [*dict.fromkeys([*queues, to])]))


async def movable(redis: Redis, queue: str, to: str, found: Sequence[bytes]) -> list[bytes]:
    """
    Return those of *found* that workers of *to* know; all of them if nobody can tell.

    None if *to* is on another server: `check_move` says so of those that it is asked for.
    """
    if at(redis, to) is not at(redis, queue):
        return []
    known = (await known_jobs(redis, [to]))[to]
    if not known:
        return [*found]
    names = await _names(redis, [(queue, key) for key in found])
    return [key for key, name in zip(found, names, strict=True) if name is None or name in known]


async def _names(redis: Redis, chosen: Sequence[tuple[str, str | bytes]]) -> list[str | None]:
    """Return the name of each of *chosen*, its queue and its id; None if its body is unreadable."""
    prefix = keys.of(redis).job_prefix.encode()
    names: dict[tuple[str, str | bytes], str] = {}
    for one, here in by_server(redis, dict(chosen)):
        asked = [
            (place, prefix + key)
            for place in chosen
            if place[0] in here
            for key in ([place[1]] if isinstance(place[1], bytes) else keys_of(place[1]))
        ]
        bodies = await look(one, strings=[key for _, key in asked], limits=LIMITS)
        for (place, key), body in zip(asked, bodies, strict=True):
            envelope = None if body is None else Reader().body(key, body)
            if envelope is not None:
                names[place] = envelope.name
    return [names.get(place) for place in chosen]
