"""
Which Redis holds which queue: one for all, or for some a server of their own.

A client that knows of several has one client for each, which share its event loop: `at` gives that
of a queue. What belongs to no queue (sessions, the audit log, actions on many jobs) is in the
application's own Redis, the default.
"""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner.broker.keys import own_name, queue_problem, whole_queue
from runner.broker.location import is_same, location, shown
from runner.errors import ConfigurationError, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis.asyncio import Redis

    from runner.broker.location import Address


@dataclass(frozen=True)
class Servers:
    """
    The servers of one application.

    default: of every queue that is not in *own*. own: queues with a server of their own, by name.
    declares: beside those, what settings classes say, also those that are imported later.
    """

    default: Address
    own: Mapping[str, Address] = field(default_factory=dict)
    declares: bool = False

    def of(self, queue: str) -> Address:
        """
        Return where *queue* is; a partition is where its queue is, unless something else is said.

        Raises:
            ConfigurationError: Two settings classes say different things.
        """
        for name in dict.fromkeys((own_name(queue), whole_queue(queue))):
            found = self.own.get(name)
            if found is None and self.declares:
                found = _declared(name)
            if found is not None:
                return found
        return self.default

    @property
    def is_one(self) -> bool:
        """Whether no queue has a server of its own, so that nobody need ask for each job."""
        return not self.own and not (self.declares and _classes)

    @property
    def each(self) -> list[Address]:
        """Every server once, the default first."""
        found = [self.default]
        for one in [*self.own.values(), *(_all_declared() if self.declares else ())]:
            if not any(is_same(one, other) for other in found):
                found.append(one)
        return found


def servers_of(
    default: str | Address,
    queues: Mapping[str, str | Address],
    *,
    declares: bool = False,
) -> Servers:
    """
    Return the servers of an application whose *queues* are elsewhere than at *default*.

    Raises:
        ConfigurationError: A name is no queue's, or an address is none.
    """
    refuse("queues", *(queue_problem("a queue", name) for name in queues))
    own = {own_name(name): _place(where) for name, where in queues.items()}
    return Servers(_place(default), own, declares)


_classes: dict[str, weakref.WeakSet[Any]] = {}
"""Settings classes that name a Redis, by queue."""


def declare(worker: Any) -> None:
    """Note that the settings class *worker* names the Redis of its queue."""
    _classes.setdefault(own_name(worker.queue), weakref.WeakSet()).add(worker)


def _declared(name: str) -> Address | None:
    classes = [one for one in _classes.get(name, ()) if _is_of_its_module(one)]
    if not classes:
        return None
    places = [_place(one.redis) for one in classes]
    if all(is_same(places[0], one) for one in places):
        return places[0]
    names = " and ".join(sorted(f"{one.__module__}.{one.__qualname__}" for one in classes))
    raise ConfigurationError(
        f"{names} name different Redis servers for the queue {name!r}: "
        f"set REDIS_URLS__{name.upper()} to the one that is meant"
    )


def _is_of_its_module(worker: Any) -> bool:
    """A class that was made inside a function, such as by a test, says nothing to others."""
    module = sys.modules.get(worker.__module__)
    return getattr(module, worker.__qualname__, None) is worker


def _all_declared() -> Iterable[Address]:
    found = [_declared(name) for name in _classes]
    return [one for one in found if one is not None]


def _place(redis: str | Address) -> Address:
    return location(redis) if isinstance(redis, str) else redis


def at(redis: Redis, queue: str) -> Redis:
    """Return the client for *queue*: *redis*, or that of the queue's own server."""
    find = getattr(redis, "at", None)
    found: Redis = redis if find is None else find(queue)
    return found


def everywhere(redis: Redis) -> list[Redis]:
    """Return a client for each server, that of the default first."""
    find = getattr(redis, "everywhere", None)
    return [redis] if find is None else find()


def answering(redis: Redis) -> list[Redis]:
    """Return those of `everywhere` that were not away when pages last looked."""
    return [one for one in everywhere(redis) if not is_away(one)]


def awake(redis: Redis) -> Redis:
    """Return *redis*, or another of its servers while pages find that it is away."""
    return redis if not is_away(redis) else next(iter(answering(redis)), redis)


def is_away(redis: Redis) -> bool:
    """Whether pages that looked last found that the server does not answer."""
    return bool(getattr(redis, "is_away", False))


def set_away(redis: Redis, *, is_away: bool) -> None:
    """Note what pages found."""
    redis.is_away = is_away  # type: ignore[attr-defined]  # of our clients, which alone have several servers


def by_server(redis: Redis, queues: Iterable[str]) -> list[tuple[Redis, list[str]]]:
    """Return *queues* by the client of the server where they are, in their order."""
    found: list[tuple[Redis, list[str]]] = []
    for queue in queues:
        client = at(redis, queue)
        for one, names in found:
            if one is client:
                names.append(queue)
                break
        else:
            found.append((client, [queue]))
    return found


def name_of(redis: Redis) -> str:
    """Return where *redis* is, without its password."""
    settings = getattr(redis, "settings", None)
    return "Redis" if settings is None else shown(settings)
