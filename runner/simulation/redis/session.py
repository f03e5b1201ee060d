"""What a server knows of one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.simulation.redis.reply import NIL_ARRAY, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.simulation.redis.keyspace import Keyspace


class Blocked(NamedTuple):
    """
    What a session waits for.

    deadline_us: until when, by the server's clock; None for ever. in_vain: the reply then.
    """

    keys: tuple[bytes, ...]
    deadline_us: int | None
    left: bool = True
    in_vain: Reply = NIL_ARRAY


class Session:
    """
    One connection's state.

    deliver: called with the reply that a blocked session waited for, from within the command of
    another session or `wake_overdue`.
    """

    __slots__ = (
        "authenticated",
        "blocked",
        "deliver",
        "failed",
        "name",
        "number",
        "queue",
        "spoilt",
        "watching",
    )

    def __init__(self, deliver: Callable[[Reply], None] | None = None, number: int = 0) -> None:
        self.deliver: Callable[[Reply], None] = deliver or (lambda _: None)
        self.number = number
        self.name = b""
        self.authenticated = False
        self.queue: list[list[bytes]] | None = None
        """The commands since MULTI; None outside a transaction."""
        self.failed = False
        """Whether a command was refused since MULTI."""
        self.spoilt = False
        """Whether a watched key has changed."""
        self.watching: list[bytes] = []
        self.blocked: Blocked | None = None

    def watch(self, key: bytes, db: Keyspace) -> None:
        """Be told when a key changes."""
        if key not in self.watching:
            self.watching.append(key)
            db.watched.setdefault(key, []).append(self)

    def unwatch(self, db: Keyspace) -> None:
        """Watch nothing."""
        for key in self.watching:
            watchers = db.watched.get(key, [])
            if self in watchers:
                watchers.remove(self)
            if not watchers:
                db.watched.pop(key, None)
        self.watching = []
        self.spoilt = False

    def leave_transaction(self, db: Keyspace) -> None:
        """Forget the queue and what is watched."""
        self.queue = None
        self.failed = False
        self.unwatch(db)
