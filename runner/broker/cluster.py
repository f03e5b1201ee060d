"""
Redis Cluster: plain connections to whichever node is the master of one slot.

An application's keys all have one tag, and so are in one slot: to everything above these
connections it has one Redis, which moves at times, as behind Sentinel. A connection asks any node
for the slot's master as it opens; an answer that says that the slot is elsewhere closes it.

What says that a slot is on its way (ASK, TRYAGAIN) is waited out, and never followed: a script that
runs on the other side, beside keys that are still here, would tear what it keeps together. Each
script is given the base of the keys, a key that never exists, so that a moving slot refuses it as a
whole.

A master that hangs answers nothing, and closes nothing. While an answer is overdue, another node is
asked each second who the master is; once it is another, the connections to the former are closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import weakref
from typing import TYPE_CHECKING, Any

import redis
from redis.asyncio import Connection, ConnectionPool, SSLConnection
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from runner import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

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

SILENT_S = 0.5
"""How long an answer may take before another node is asked whether the master is still the same."""
LONGEST_PAUSE_S = 0.2
"""How long to wait between two tries: an election, or the move of a slot, is soon over."""
_ASK_WITHIN_S = 1.0


class SlotMovedError(RedisConnectionError):
    """The connection's node is not the slot's master any more; nothing was done."""


class SlotMovingError(RedisConnectionError):
    """The slot is on its way to another node; nothing was done."""


class Slots:
    """
    Which node is the master of one slot, as far as is known, and the connections that go there.

    nodes: some of the cluster's, to ask; those that answered last come first.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = list(nodes)
        self.slot = key_slot(b"")
        self._master: Node | None = None
        self._open: weakref.WeakSet[ToMaster] = weakref.WeakSet()
        self._doubt: asyncio.Task[None] | None = None

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

    def forget(self, master: Node) -> None:
        """Ask again, if that is still held to be the master: it does not answer, or is none."""
        if self._master == master:
            self._master = None

    def failed(self, node: Node) -> None:
        """Ask *node* last from now on."""
        self.nodes = [*(one for one in self.nodes if one != node), node]

    def read(self, asked: Node, ranges: Sequence[Any]) -> Node | None:
        """Learn the master and all nodes from the answer of one to CLUSTER SLOTS."""
        known, found = list(self.nodes), None
        for first, last, master, *replicas in ranges:
            nodes = [_node(asked, one) for one in (master, *replicas)]
            known += [one for one in nodes if one not in known]
            if first <= self.slot <= last:
                self._master = found = nodes[0]
        self.nodes = known
        return found

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

    def opened(self, connection: ToMaster) -> None:
        """Close *connection* once its node is known to have been replaced while it was silent."""
        self._open.add(connection)

    def doubt(self, silent: ToMaster) -> None:
        """Ask another node whether that of *silent* is still the master, unless one is asked."""
        if self._doubt is None or self._doubt.done():
            look = self._look_for_another(silent.another(), silent.node)
            self._doubt = asyncio.get_running_loop().create_task(look)

    async def _look_for_another(self, asking: ToMaster, silent: Node) -> None:
        with contextlib.suppress(RedisError):
            if await asking.ask(beside=silent) != silent:
                for one in list(self._open):
                    if one.node == silent:
                        one.abort()

    async def close(self) -> None:
        """Ask nobody any more."""
        doubt, self._doubt = self._doubt, None
        if doubt is not None:
            doubt.cancel()
            await asyncio.wait({doubt})


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
        self.another = functools.partial(type(self), slots=slots, **options)
        """Makes another connection like this one."""
        self._silence: asyncio.TimerHandle | None = None

    @property
    def node(self) -> Node:
        """Where it is connected to."""
        return self.host, self.port

    async def connect(self) -> None:
        """Ask for the master, and connect to it."""
        if self.is_connected:
            return
        master = self._slots.master or await self.ask()
        self.host, self.port = master
        try:
            await super().connect()  # type: ignore[no-untyped-call]  # redis-py's own
        except (RedisError, OSError):
            self._slots.forget(master)
            raise
        self._slots.opened(self)

    async def ask(self, *, beside: Node | None = None) -> Node:
        """
        Return the master that another node than *beside* names; do not stay connected.

        Raises:
            redis.ConnectionError: No node names one.
        """
        problem: Exception | None = None
        for node in [one for one in self._slots.nodes if one != beside]:
            self.host, self.port = node
            try:
                async with asyncio.timeout(_ASK_WITHIN_S):
                    await super().connect()  # type: ignore[no-untyped-call]
                    await self.send_command("CLUSTER", "SLOTS")
                    master = self._slots.read(node, await super().read_response())
            except (RedisError, OSError) as error:  # a timeout is one
                self._slots.failed(node)
                problem = error
                continue
            finally:
                await self.disconnect(nowait=True)
            if master is not None:
                return master
        raise _nobody_knows(self._slots, problem)

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer; one that says that the slot is elsewhere closes the connection."""
        self._await_answer()
        try:
            return await super().read_response(*args, **options)
        except RedisError as error:
            noted = self.noted(error)
            if isinstance(noted, RedisConnectionError):
                await self.disconnect(nowait=True)
            if noted is error:
                raise  # from itself, it would have no first cause
            raise noted from error
        finally:
            if self._silence is not None:
                self._silence.cancel()

    def _await_answer(self) -> None:
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(SILENT_S, self._doubt)

    def _doubt(self) -> None:
        self.doubt()
        self._await_answer()

    def doubt(self) -> None:
        """Let others be asked whether this node, which is silent, is still the master."""
        if not self.is_connected:
            return
        if self._slots.master in {None, self.node}:
            self._slots.doubt(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once: whoever waits for an answer hears that the connection is lost."""
        if self._writer is not None:
            self._writer.transport.abort()

    def noted(self, error: Exception) -> Exception:
        """Return what to raise for *error*, and learn from it where the slot is."""
        return _noted(self._slots, error, self.node)


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

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 -- redis-py's own signature
        """Close the connections, and ask nobody any more."""
        await self.slots.close()
        await super().disconnect(inuse_connections)


def is_clustered(client: Redis) -> bool:
    """Whether *client* follows a slot of a cluster."""
    return isinstance(client.connection_pool, SlotPool)


class BlockingToMaster(redis.Connection):
    """Likewise, for threads without an event loop."""

    def __init__(self, *, slots: Slots, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]  # redis-py's own
        self._slots = slots
        self._another = functools.partial(type(self), slots=slots, **options)

    @property
    def _node(self) -> Node:
        return self.host, self.port

    def connect(self) -> None:
        """Ask for the master, and connect to it."""
        if self._sock is not None:
            return
        self.host, self.port = self._slots.master or self.ask()
        try:
            super().connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            self._slots.forget(self._node)
            raise

    def ask(self, *, beside: Node | None = None) -> Node:
        """
        Return the master that another node than *beside* names; do not stay connected.

        Raises:
            redis.ConnectionError: No node names one.
        """
        problem: Exception | None = None
        for node in [one for one in self._slots.nodes if one != beside]:
            self.host, self.port = node
            try:
                super().connect()  # type: ignore[no-untyped-call]
                self.send_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
                master = self._slots.read(node, super().read_response())  # type: ignore[no-untyped-call]
            except (RedisError, OSError) as error:
                self._slots.failed(node)
                problem = error
                continue
            finally:
                self.disconnect()  # type: ignore[no-untyped-call]
            if master is not None:
                return master
        raise _nobody_knows(self._slots, problem)

    def can_read(self, timeout: float = 0) -> bool:
        """
        Whether an answer comes within *timeout* seconds.

        Raises:
            redis.ConnectionError: Another node took the place of this one, which is silent.
        """
        until = clock.monotonic() + timeout
        while True:
            left_s = max(0.0, until - clock.monotonic())
            if super().can_read(min(left_s, SILENT_S)):  # type: ignore[no-untyped-call]
                return True
            if left_s <= SILENT_S:
                return False
            self._look_for_another()

    def _look_for_another(self) -> None:
        try:
            master = self._another().ask(beside=self._node)
        except RedisError:
            return
        if master != self._node:
            raise RedisConnectionError(f"{self._node[0]}:{self._node[1]} is silent, and replaced")

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer; one that says that the slot is elsewhere is no answer."""
        try:
            return super().read_response(*args, **options)  # type: ignore[no-untyped-call]
        except RedisError as error:
            noted = _noted(self._slots, error, self._node)
            if noted is error:
                raise
            raise noted from error


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
        slots.forget(here)
        return error
    return slots.seen(error, here)
