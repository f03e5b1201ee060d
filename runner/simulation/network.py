"""
The simulated network: connections between processes and Redis, with latency and faults.

A connection is two streams of bytes, in order, as TCP has them. So what may happen to a message is
what TCP allows: it comes late, or the connection is cut, at once or after a silence, before or
after Redis has read it. redis-py, hiredis and the runner's own connections run unchanged over it.
"""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from redis.asyncio.connection import AbstractConnection as RedisConnection

from runner.simulation.redis import BLOCKED, CommandReader, Session, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from runner.simulation.loop import ProcessLoop
    from runner.simulation.redis import SimulatedRedis

_FASTEST_S = 0.0001
_SPREAD_S = 0.0009
_REFUSED_AFTER_S = 0.001


class Answer(Enum):
    """What happens to the reply to a command."""

    SENT = "it arrives"
    LOST = "the connection is cut before it arrives"
    SILENCE = "neither it nor anything after it arrives; the connection stays open"


@dataclass(frozen=True, slots=True)
class Fate:
    """
    What happens to one command.

    runs: whether Redis gets it; if not, the connection is cut. waits_s: how long it lies in the
    server's socket before that. late_s: how much later than usual the reply arrives.
    """

    runs: bool = True
    waits_s: float = 0.0
    answer: Answer = Answer.SENT
    late_s: float = 0.0


USUAL = Fate()


class Door:
    """What stands between the network and Redis: it sees each command, and decides its fate."""

    def fate(self, connection: Connection, command: list[bytes]) -> Fate:
        """Return what happens to *command*, which Redis has not run yet."""
        del connection, command
        return USUAL

    def answered(self, connection: Connection, command: list[bytes], reply: Any) -> None:
        """Note that Redis has run *command*, and what it replied."""

    def gone(self, connection: Connection) -> None:
        """Note that the reply to its last command is on its way, or is lost."""


class Client(Protocol):
    """A process, as the network knows it. partitioned_until: until when nothing of it arrives."""

    name: str
    is_alive: bool
    partitioned_until: float
    loop: ProcessLoop


class Place(Protocol):
    """The world, as the network knows it. now: seconds since it began."""

    now: float
    door: Door
    redis: SimulatedRedis
    redis_is_up: bool
    network: Network

    def later(self, at: float, act: Callable[[], None]) -> None:
        """Call *act* at the time *at*."""
        ...

    def note_blocked(self) -> None:
        """Note that Redis lets a client wait."""
        ...


class Connection:
    """One connection of a process to Redis: the client's end, and the server's."""

    def __init__(self, world: Place, process: Client, number: int, random: Random) -> None:
        self.world = world
        self.process = process
        self.number = number
        self.is_cut = False
        self.held_until = 0.0
        """Nothing arrives before, in either direction."""
        self.slower_by_s = 0.0
        self._random = random
        self._to_server_at = 0.0
        self._to_client_at = 0.0
        self._is_silent = False
        self._is_closing = False
        self._stalled_until = 0.0
        self._fate: Fate | None = None
        """Of the command that waits, once it is known."""
        self._commands = CommandReader()
        self._waiting: list[list[bytes]] = []
        self._session = Session(self._deliver)
        self.transport = _Transport(self)
        self._blocked_on: list[bytes] | None = None

    # ------------------------------------------------------------------ the client's end

    def write(self, data: bytes) -> None:
        """Send *data* to Redis."""
        if not self.is_cut:
            self._to_server_at = self._arrival(self._to_server_at)
            self.world.later(self._to_server_at, lambda: self._receive(data))

    def _to_client(self, data: bytes, late_s: float = 0.0) -> None:
        if not self.is_cut and not self._is_silent:
            self._to_client_at = self._arrival(self._to_client_at) + late_s
            self.world.later(self._to_client_at, lambda: self._hand_over(data))

    def _arrival(self, last: float) -> float:
        now = self.world.now
        usual = now + _FASTEST_S + _SPREAD_S * self._random.random() + self.slower_by_s
        return max(last, usual, self.held_until)

    def _hand_over(self, data: bytes) -> None:
        if not self.is_cut and self.process.is_alive:
            self.process.loop.call_soon(self.transport.receive, data)

    # ------------------------------------------------------------------ the server's end

    def _receive(self, data: bytes) -> None:
        if not self.is_cut:
            self._commands.feed(data)
            self._run_commands()

    def _run_commands(self) -> None:
        """Run what has arrived, until a command blocks."""
        self._waiting += self._commands.commands()
        while self._waiting and self._blocked_on is None and not self.is_cut:
            if self._stalled_until > self.world.now:
                return
            self._run(self._waiting.pop(0))

    def _run(self, command: list[bytes]) -> None:
        world = self.world
        fate, self._fate = self._fate or world.door.fate(self, command), None
        if not fate.runs:
            self.cut()
            return
        if fate.waits_s:
            self._fate = replace(fate, waits_s=0.0)
            self._waiting.insert(0, command)
            self._stalled_until = world.now + fate.waits_s
            world.later(self._stalled_until, self._run_commands)
            return
        reply = world.redis.execute(command, self._session)
        if reply is BLOCKED:
            self._blocked_on = command
            world.note_blocked()
            return
        world.door.answered(self, command, reply)
        if fate.answer is Answer.SENT:
            self._to_client(encode(reply), fate.late_s)
        elif fate.answer is Answer.LOST:
            self.cut()
        else:
            self._is_silent = True
        world.door.gone(self)

    def _deliver(self, reply: Any) -> None:
        """Send the reply to the command that blocked."""
        command, self._blocked_on = self._blocked_on, None
        if command is not None and not self.is_cut:
            self.world.door.answered(self, command, reply)
            self._to_client(encode(reply))
            self._run_commands()

    # ------------------------------------------------------------------ its end

    def cut(self, *, silent_s: float = 0.0) -> None:
        """Cut the connection; its process notices after *silent_s*."""
        if self.is_cut:
            return
        self.is_cut = True
        self.world.redis.disconnect(self._session)
        self.world.network.connections.pop(self.number, None)
        if self.process.is_alive:
            at = self.world.now + silent_s + _FASTEST_S
            self.world.later(at, self._notice)

    def _notice(self) -> None:
        if self.process.is_alive:
            error = ConnectionResetError("the connection was cut")
            self.process.loop.call_soon(self.transport.lose, error)

    def closed_by_client(self) -> None:
        """Let Redis read what was sent, and then that the process has closed the connection."""
        if not self._is_closing:
            self._is_closing = self._is_silent = True
            self._to_server_at = self._arrival(self._to_server_at)
            # What lies in the server's socket is run first.
            self.world.later(max(self._to_server_at, self._stalled_until), self.cut)


class _Transport(asyncio.Transport):
    """The client's end of a connection, as asyncio's protocols know it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._protocol: Any = None
        self._closing = False
        self._lost = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._connection.write(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self._closing or not self._connection.process.is_alive

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self._closing:
            self._closing = True
            self._connection.closed_by_client()
            self._connection.process.loop.call_soon(self.lose, None)

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        del name
        return default

    def get_write_buffer_size(self) -> int:
        return 0

    def is_reading(self) -> bool:
        return not self._closing

    def pause_reading(self) -> None:
        """Do nothing: who reads is never too slow here."""

    def resume_reading(self) -> None:
        """Do nothing: who reads is never too slow here."""

    def receive(self, data: bytes) -> None:
        """Hand over what has arrived."""
        if not self._closing:
            self._protocol.data_received(data)

    def lose(self, error: Exception | None) -> None:
        """Note, once, that the connection is gone."""
        if not self._lost:
            self._lost = self._closing = True
            self._protocol.connection_lost(error)


class Network:
    """All connections of a world."""

    def __init__(self, world: Place, random_of: Callable[[str], Random]) -> None:
        self._world = world
        self._random_of = random_of
        self._made = 0
        self.connections: dict[int, Connection] = {}

    async def connect(
        self, process: Client, factory: Callable[[], asyncio.Protocol]
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """
        Open a connection of *process* to Redis.

        Raises:
            ConnectionRefusedError: Redis is down.
        """
        await asyncio.sleep(_REFUSED_AFTER_S)
        await asyncio.sleep(max(0.0, process.partitioned_until - self._world.now))
        if not self._world.redis_is_up:
            raise ConnectionRefusedError("Redis is down")
        self._made += 1
        name = f"{process.name} connection {self._made}"
        connection = Connection(self._world, process, self._made, self._random_of(name))
        self.connections[self._made] = connection
        protocol = factory()
        connection.transport.set_protocol(protocol)
        protocol.connection_made(connection.transport)
        return connection.transport, protocol

    def forget(self) -> None:
        """Forget all connections: their processes are gone, and nobody is to close them."""
        self.connections.clear()
        for one in gc.get_objects():
            if isinstance(one, RedisConnection):
                one._reader = one._writer = None  # noqa: SLF001 -- else it complains of what is left open

    def of(self, process: Client) -> list[Connection]:
        """Return the open connections of *process*, the oldest first."""
        return [one for one in self.connections.values() if one.process is process]

    def close(self, connections: list[Connection]) -> None:
        """Close *connections* as a kernel does for a killed process: what was sent arrives."""
        for connection in connections:
            connection.closed_by_client()

    def cut(self, connections: list[Connection], *, silent_s: float = 0.0) -> None:
        """Cut *connections*; their processes notice after *silent_s*."""
        for connection in connections:
            connection.cut(silent_s=silent_s)
