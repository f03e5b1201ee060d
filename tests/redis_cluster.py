"""A real Redis Cluster for tests: three masters and a replica of each, on free ports."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import redis
from redis.crc import key_slot

from tests.redis_server import RedisServer, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NODE_TIMEOUT_S = 2.0
_MASTERS = 3
_SLOTS = 16384
_READY_WITHIN_S = 60.0


class RedisCluster:
    """
    Three masters, each with a third of the slots, and behind them their replicas, if there are any.

    secured: the options of a server's certificate; nodes speak TLS to each other then, and to
    clients at `secured_url`.
    """

    def __init__(self, *, has_replicas: bool = True, secured: Sequence[str] = ()) -> None:
        self.nodes: list[RedisServer] = []
        self._size = 2 * _MASTERS if has_replicas else _MASTERS
        self._secured = secured
        self._ports: dict[int, int] = {}
        """At which port other nodes and secured clients reach each node, by its own."""

    @property
    def url(self) -> str:
        """The `REDIS_URL` of the cluster."""
        return f"redis+cluster://{','.join(f'{one.host}:{one.port}' for one in self.nodes)}"

    @property
    def secured_url(self) -> str:
        """Its `REDIS_URL` by TLS, without options."""
        ports = (self._ports[one.port] for one in self.nodes)
        return f"rediss+cluster://{','.join(f'localhost:{port}' for port in ports)}"

    def master_of(self, key: str, *, beside: RedisServer | None = None) -> RedisServer:
        """Return the master of *key*'s slot, as a node that answers sees it, but not *beside*."""
        slot = key_slot(key.encode())
        for node in [one for one in self.nodes if one is not beside]:
            try:
                ranges: Any = ask(node, "CLUSTER", "SLOTS")
            except redis.RedisError:
                continue
            for first, last, (_, port, *_), *_ in ranges:
                if first <= slot <= last:
                    return next(one for one in self.nodes if one.port == port)
        raise AssertionError(f"nobody knows the slot {slot}")

    def others(self, than: RedisServer) -> list[RedisServer]:
        """Return the masters beside *than*."""
        ranges: Any = ask(than, "CLUSTER", "SLOTS")
        ports = {one[2][1] for one in ranges} - {than.port}
        return [one for one in self.nodes if one.port in ports]

    def replica_of(self, master: RedisServer) -> RedisServer:
        """Return the replica of *master*, which has one once the cluster is whole."""
        [one] = [
            one
            for one in self.nodes
            if ask(one, "ROLE")[:3] == [b"slave", b"127.0.0.1", master.port]
        ]
        return one

    def whole(self) -> None:
        """Wait until all nodes answer and agree, and each master has its replica."""
        _until(lambda: _is_whole(self.nodes))

    def begin_move(self, key: str, to: RedisServer) -> RedisServer:
        """Let the slot of *key* be on its way to *to*; return the master that it leaves."""
        slot, source = key_slot(key.encode()), self.master_of(key)
        ask(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", _id(source))
        ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", _id(to))
        return source

    def end_move(self, key: str, source: RedisServer, to: RedisServer) -> None:
        """Move the keys of the slot, and say to all whose it is."""
        slot = key_slot(key.encode())
        while keys := ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 1000):
            port = self._ports[to.port]
            ask(source, "MIGRATE", to.host, port, "", 0, 5000, "KEYS", *keys)
        for node in (
            to,
            source,
            *(one for one in self.nodes if one is not to and one is not source),
        ):
            try:
                if ask(node, "ROLE")[0] == b"master":
                    ask(node, "CLUSTER", "SETSLOT", slot, "NODE", _id(to))
            except redis.RedisError:
                continue  # it is down, and will learn it

    def start(self, stack: ExitStack) -> None:
        """Start the servers, and make them a cluster."""
        for _ in range(self._size):
            port = free_port()
            options = (
                *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
                *("--cluster-node-timeout", str(round(NODE_TIMEOUT_S * 1000))),
                *("--cluster-replica-validity-factor", "0"),
                *self._tls(port),
            )
            node = RedisServer(append_only=True, options=options)
            stack.callback(node.close)
            node.start()
            self.nodes.append(node)
            self._ports[node.port] = port if self._secured else node.port
        masters, replicas = self.nodes[:_MASTERS], self.nodes[_MASTERS:]
        for number, node in enumerate(masters):
            first, end = _SLOTS * number // _MASTERS, _SLOTS * (number + 1) // _MASTERS
            ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            ask(node, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for node in self.nodes[1:]:
            bus = node.options[node.options.index("--cluster-port") + 1]
            ask(self.nodes[0], "CLUSTER", "MEET", node.host, self._ports[node.port], bus)
        known = str(self._size)
        _until(lambda: all(_info(one)["cluster_known_nodes"] == known for one in self.nodes))
        for replica, master in zip(replicas, masters, strict=False):
            _until(lambda: _follows(replica, master))  # noqa: B023 -- called at once
        _until(lambda: all(_info(one)["cluster_state"] == "ok" for one in self.nodes))
        _until(lambda: all(ask(one, "ROLE")[3] == b"connected" for one in replicas))

    def _tls(self, port: int) -> Sequence[str]:
        if not self._secured:
            return ()
        yes = ("--tls-cluster", "yes", "--tls-replication", "yes", "--tls-auth-clients", "no")
        return ("--tls-port", str(port), *yes, *self._secured)


@contextmanager
def running_cluster(
    *, has_replicas: bool = True, secured: Sequence[str] = ()
) -> Iterator[RedisCluster]:
    """Yield a cluster that serves all slots."""
    with ExitStack() as stack:
        cluster = RedisCluster(has_replicas=has_replicas, secured=secured)
        cluster.start(stack)
        yield cluster


def ask(node: RedisServer, *command: Any) -> Any:
    """Return the answer of one node, as it is."""
    connection: Any = redis.Connection(host=node.host, port=node.port, socket_timeout=5)  # type: ignore[no-untyped-call]
    try:
        connection.send_command(*command)
        return connection.read_response()
    finally:
        connection.disconnect()


def _id(node: RedisServer) -> str:
    return str(ask(node, "CLUSTER", "MYID").decode())


def _info(node: RedisServer) -> dict[str, str]:
    lines = ask(node, "CLUSTER", "INFO").decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _is_whole(nodes: list[RedisServer]) -> bool:
    try:
        views = [
            sorted(
                (first, last, *(one[1] for one in of_range))
                for first, last, *of_range in ask(node, "CLUSTER", "SLOTS")
            )
            for node in nodes
        ]
        roles = [ask(node, "ROLE") for node in nodes]
        states = {_info(node)["cluster_state"] for node in nodes}
    except redis.RedisError:
        return False
    replicas = [role for role in roles if role[0] == b"slave"]
    return (
        states == {"ok"}
        and all(view == views[0] for view in views)
        and len(replicas) == len(nodes) - _MASTERS
        and len({role[2] for role in replicas}) == _MASTERS
        and all(role[3] == b"connected" for role in replicas)
    )


def _follows(replica: RedisServer, master: RedisServer) -> bool:
    try:
        ask(replica, "CLUSTER", "REPLICATE", _id(master))
    except redis.ResponseError:
        return False  # it has not met its master yet
    return True


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, "the cluster does not come up"
        time.sleep(0.05)
