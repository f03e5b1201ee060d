"""What is known of a command beside what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from runner.simulation.redis.reply import ReplyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.simulation.redis.keyspace import Keyspace
    from runner.simulation.redis.reply import Reply

Run: TypeAlias = "Callable[[Keyspace, list[bytes]], Reply]"


class Command(NamedTuple):
    """
    A command on keys.

    arity: how many words it has, its name included; negative: at least so many.
    writes, grows: whether a replica refuses it; whether a full server refuses it.
    """

    run: Run
    arity: int
    writes: bool = False
    grows: bool = False

    def fits(self, words: int) -> bool:
        """Whether it takes so many words, its name included."""
        return fits(self.arity, words)


class Commands(dict[bytes, Command]):
    """Commands by name; each module of commands fills one."""

    def read(self, name: str, arity: int) -> Callable[[Run], Run]:
        """Add a function as a command that only reads."""
        return self._added(name, arity, writes=False, grows=False)

    def shrink(self, name: str, arity: int) -> Callable[[Run], Run]:
        """Add a function as a command that writes, and that a full server allows."""
        return self._added(name, arity, writes=True, grows=False)

    def grow(self, name: str, arity: int) -> Callable[[Run], Run]:
        """Add a function as a command that writes, and that a full server refuses."""
        return self._added(name, arity, writes=True, grows=True)

    def _added(self, name: str, arity: int, *, writes: bool, grows: bool) -> Callable[[Run], Run]:
        def add(run: Run) -> Run:
            self[name.encode()] = Command(run, arity, writes, grows)
            return run

        return add


def wrong_arity(name: bytes) -> ReplyError:
    """Return the error for a command with too few or too many arguments."""
    return ReplyError(b"ERR wrong number of arguments for '%b' command" % name.lower())


def fits(arity: int, words: int) -> bool:
    """Whether a command of *arity* takes so many words, its name included."""
    return words == arity if arity >= 0 else words >= -arity
