"""
Redis Cluster: plain connections to whichever node is the master of one slot.

An application's keys all have one tag, and so are in one slot: to everything above these
connections it has one Redis, which moves at times, as behind Sentinel. A connection asks any node
for the slot's master as it opens; an answer that says that the slot is elsewhere closes it.

What says that a slot is on its way (ASK, TRYAGAIN) is waited out, and never followed: a script that
runs on the other side, beside keys that are still here, would tear what it keeps together. Each
script is given the base of the keys, a key that never exists, so that a moving slot refuses it as a
whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import redis
from redis.asyncio import Connection, ConnectionPool, SSLConnection
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.broker.keys import Keys

Node = tuple[str, int]

_CODE = re.compile(
    r"(?:Error running script .*: -)?"
    "(MOVED|ASK|TRYAGAIN|READONLY|CLUSTERDOWN|MASTERDOWN|CROSSSLOT)?[ :]?",
    re.DOTALL,
)
_ADDRESS = re.compile(r"(\d+) (\S*):(\d+)$")
_BY_CLASS = {
    "MovedError": "MOVED",
    "AskError": "ASK",
    "TryAgainError": "TRYAGAIN",
    "ReadOnlyError": "READONLY",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
}
_NON_LOCAL = "non local key"


class SlotMovedError(RedisConnectionError):
    """The connection's node is not the slot's master any more; nothing was done."""


class SlotMovingError(RedisConnectionError):
    """The slot is on its way to another node; nothing was done."""


class Slots:
    """
    Which node is the master of one slot, as far as is known.

    nodes: some of the cluster's, to ask.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = list(nodes)
        self.slot = key_slot(b"")
        self._master: Node | None = None

    def copy(self) -> Slots:
        """Return what others may follow by themselves, such as threads."""
        other = Slots(self.nodes)
        other.slot = self.slot
        return other

    def serve(self, own: Keys) -> None:
        """Follow the slot of these keys."""
        self.slot, self._master = key_slot(own.base.encode()), None

    @property
    def master(self) -> Node | None:
        """The master, unless somebody has to be asked."""
        return self._master

    def forget(self) -> None:
        """Ask again: the master does not answer, or is none any more."""
        self._master = None

    def read(self, asked: Node, ranges: Sequence[Any]) -> Node | None:
        """Learn the master and all nodes from the answer of one to CLUSTER SLOTS."""
        known = list(self.nodes)
        for first, last, master, *replicas in ranges:
            nodes = [_node(asked, one) for one in (master, *replicas)]
            known += [one for one in nodes if one not in known]
            if first <= self.slot <= last:
                self._master = nodes[0]
        self.nodes = known
        return self._master

    def seen(self, error: Exception, here: Node) -> Exception:
        """Return what to raise for an error that Redis answered, and learn from it."""
        text, code = str(error), _code(error)
        if code in {"ASK", "TRYAGAIN"} or _NON_LOCAL in text:
            return SlotMovingError(f"the slot is being moved: {text}")
        if code is None or code == "CROSSSLOT":
            return error
        address = _ADDRESS.search(text) if code == "MOVED" else None
        self._master = (address[2] or here[0], int(address[3])) if address else None
        return SlotMovedError(f"the slot has another master: {text}")


def _code(error: Exception) -> str | None:
    found = _CODE.match(str(error))
    return (found[1] if found else None) or _BY_CLASS.get(type(error).__name__)


def _node(asked: Node, one: Sequence[Any]) -> Node:
    host = one[0].decode() if isinstance(one[0], bytes) else one[0]
    return host if host and host != "?" else asked[0], int(one[1])


class ToMaster(Connection):
    """Connects to the slot's master, and says when that is another."""

    def __init__(self, *, slots: Slots, **options: Any) -> None:
        super().__init__(**options)
        self._slots = slots

    async def connect(self) -> None:
        """Ask for the master, and connect to it."""
        if self.is_connected:
            return
        master = self._slots.master or await self._ask()
        self.host, self.port = master
        try:
            await super().connect()  # type: ignore[no-untyped-call]  # redis-py's own
        except (RedisError, OSError):
            self._slots.forget()
            raise

    async def _ask(self) -> Node:
        problem: Exception | None = None
        for node in list(self._slots.nodes):
            self.host, self.port = node
            try:
                await super().connect()  # type: ignore[no-untyped-call]
                await self.send_command("CLUSTER", "SLOTS")
                master = self._slots.read(node, await super().read_response())
            except (RedisError, OSError) as error:
                problem = error
                continue
            finally:
                await self.disconnect()
            if master is not None:
                return master
        raise _nobody_knows(self._slots, problem)

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer; one that says that the slot is elsewhere closes the connection."""
        try:
            return await super().read_response(*args, **options)
        except RedisError as error:
            noted = self.noted(error)
            if isinstance(noted, RedisConnectionError):
                await self.disconnect(nowait=True)
            raise noted from error

    def noted(self, error: Exception) -> Exception:
        """Return what to raise for *error*, and learn from it where the slot is."""
        return _noted(self._slots, error, (self.host, self.port))


class SlotConnection(ToMaster):
    """By TCP."""


class SecuredSlotConnection(ToMaster, SSLConnection):
    """By TLS."""


class SlotPool(ConnectionPool):
    """A pool of connections to the master of one slot."""

    def __init__(self, nodes: Sequence[Node], *, secured: bool, **options: Any) -> None:
        self.slots = Slots(nodes)
        kind = SecuredSlotConnection if secured else SlotConnection
        super().__init__(connection_class=kind, slots=self.slots, **options)


class BlockingToMaster(redis.Connection):
    """Likewise, for threads without an event loop."""

    def __init__(self, *, slots: Slots, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]  # redis-py's own
        self._slots = slots

    def connect(self) -> None:
        """Ask for the master, and connect to it."""
        if self._sock is not None:
            return
        self.host, self.port = self._slots.master or self._ask()
        try:
            super().connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            self._slots.forget()
            raise

    def _ask(self) -> Node:
        problem: Exception | None = None
        for node in list(self._slots.nodes):
            self.host, self.port = node
            try:
                super().connect()  # type: ignore[no-untyped-call]
                self.send_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
                master = self._slots.read(node, super().read_response())  # type: ignore[no-untyped-call]
            except (RedisError, OSError) as error:
                problem = error
                continue
            finally:
                self.disconnect()  # type: ignore[no-untyped-call]
            if master is not None:
                return master
        raise _nobody_knows(self._slots, problem)

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer; one that says that the slot is elsewhere is no answer."""
        try:
            return super().read_response(*args, **options)  # type: ignore[no-untyped-call]
        except RedisError as error:
            raise _noted(self._slots, error, (self.host, self.port)) from error


class SecuredBlockingToMaster(BlockingToMaster, redis.SSLConnection):
    """By TLS."""


def _nobody_knows(slots: Slots, problem: Exception | None) -> RedisConnectionError:
    return RedisConnectionError(
        f"no node of the cluster names the master of slot {slots.slot}: {problem}"
    )


def _noted(slots: Slots, error: Exception, here: Node) -> Exception:
    if isinstance(error, SlotMovingError | SlotMovedError):
        return error
    if isinstance(error, RedisConnectionError | RedisTimeoutError | OSError):
        slots.forget()
        return error
    return slots.seen(error, here)
