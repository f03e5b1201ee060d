"""The Redis of a run: a primary, a replica that may be promoted, and the clock of both."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import redis

from tests.chaos.recorded import PROMOTED, RESTARTED
from tests.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cable import Cable
    from tests.chaos.recorded import Recorder
    from tests.wall_clock import WallClock

_IN_STEP_WITHIN_S = 30.0
_OPTIONS = (
    *("--repl-diskless-sync-delay", "0"),
    *("--maxmemory-policy", "noeviction"),
    # With `everysec`, what is lost when it is killed may be more than the history tells.
    *("--appendfsync", "always"),
)


class Servers:
    """
    Two servers; *cables* lead to the primary, and *recorder* takes the history out of it.

    clock: of both; None where it cannot be set.
    """

    def __init__(self, recorder: Recorder, cables: list[Cable], clock: WallClock | None) -> None:
        environment = clock.environment if clock else {}
        self.clock = clock
        self.primary, self.replica = (
            RedisServer(append_only=True, options=_OPTIONS, environment=environment)
            for _ in range(2)
        )
        self._recorder = recorder
        self._cables = cables
        self._changing = threading.Lock()
        """Held while another history is about to go on, or calls are taken out."""

    def start(self) -> None:
        """Start both, and wait until the replica has what the primary has."""
        self.primary.start()
        self.replica.start()
        self._follow()
        for cable in self._cables:
            cable.lead_to(self.primary.port)

    def close(self) -> None:
        """End both."""
        self.primary.close()
        self.replica.close()

    @contextmanager
    def client(self, server: RedisServer | None = None) -> Iterator[redis.Redis]:
        """Yield a client of a server: of the primary, if none is named."""
        port = (server or self.primary).port
        with redis.Redis(port=port, socket_timeout=10.0) as client:
            yield client

    @property
    def version(self) -> str:
        """Name and version of the server."""
        with self.client() as client:
            info: Any = client.info("server")
        name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
        return f"{name} {info.get('valkey_version', info['redis_version'])}"

    def restart(self, after_s: float) -> None:
        """Kill the primary, and start it again."""
        self._cut()
        with self._changing:
            self.primary.kill()
            time.sleep(after_s)
            self.primary.start()
            self._go_on(RESTARTED)

    def promote(self, behind_s: float) -> bool:
        """
        Kill the primary, and promote its replica, which is *behind_s* behind; the other follows it.

        Return whether it was done: not if the replica was not in step before.
        """
        if not self._in_step(5.0):
            return False
        self.replica.pause()
        time.sleep(behind_s)
        self._cut()
        self.drain()
        with self._changing:
            self.primary.kill()
            self.replica.resume()
            self.primary, self.replica = self.replica, self.primary
            with self.client() as client:
                client.replicaof("NO", "ONE")
            self._go_on(PROMOTED)
        self.replica.start()
        self._follow()
        return True

    def follow(self, host: str, port: str) -> None:
        """Make the primary the replica of another server, or of none again."""
        with self.client() as client:
            client.replicaof(host, port)

    def drain(self) -> None:
        """Take the history so far out of the primary."""
        with self._changing, self.client() as client:
            self._recorder.drain_all(client)

    def _cut(self) -> None:
        for cable in self._cables:
            cable.cut()

    def _go_on(self, why: str) -> None:
        """Let clients reach the primary, after noting which history it has."""
        with self.client() as client:
            self._recorder.roll_back(client, why)
        for cable in self._cables:
            cable.lead_to(self.primary.port)
            cable.mend()

    def _follow(self) -> None:
        with self.client(self.replica) as client:
            client.replicaof(self.primary.host, self.primary.port)
        self._in_step(_IN_STEP_WITHIN_S)

    def _in_step(self, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        with self.client(self.replica) as client:
            while time.monotonic() < deadline:
                state: Any = client.info("replication")
                if state.get("master_link_status") == "up":
                    return True
                time.sleep(0.05)
        return False
