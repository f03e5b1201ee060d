"""Lets the faults of a schedule happen: to processes, to connections, and to Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.schedule import OF_A_CALL, OF_A_PROCESS, OF_CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner import Fleet
    from runner.simulation.world import Process, World
    from tests.simulation.judge import Judge
    from tests.simulation.schedule import Fault


class Nemesis:
    """
    Disturbs one world.

    workers: the process at each place, and its workers once they have begun. stock: the processes
    of stock arq's worker. Both are kept up to date.
    """

    def __init__(
        self,
        world: World,
        judge: Judge,
        workers: Mapping[int, tuple[Process, Fleet | None]],
        stock: Sequence[Process],
    ) -> None:
        self._world = world
        self._judge = judge
        self._workers = workers
        self._stock = stock

    def inject(self, fault: Fault) -> None:
        """Let *fault* happen now."""
        world = self._world
        self._judge.note_fault(fault)
        process, fleet = self._workers.get(fault.who) or (self._stock[-1], None)
        if fault.kind in OF_A_CALL:
            self._judge.expect(fault)
            return
        if fault.kind in OF_A_PROCESS:
            _disturb_process(fault, process, fleet)
        elif fault.kind in OF_CONNECTIONS:
            _disturb_connections(fault, process, world)
        else:
            self._disturb_redis(fault)

    def _disturb_redis(self, fault: Fault) -> None:
        world = self._world
        match fault.kind:
            case "flush_scripts":
                world.redis.scripts.clear()
            case "restart":
                world.stop_redis(silent_s=0.0 if fault.for_s < 4 else 1.0)
                world.later(world.now + min(fault.for_s, 9.0), world.start_redis)
            case "clock":
                world.set_redis_clock(world.redis_skew_s + float(fault.what))
            case "lose_second":
                self._lose_second(fault)
            case "refuse":
                self._judge.refuse(fault.what, min(fault.for_s, 8.0))
            case "redis_freeze":
                for connection in world.network.connections.values():
                    connection.held_until = world.now + min(fault.for_s, 9.0)

    def _lose_second(self, fault: Fault) -> None:
        """Restart Redis within a second, with what it has now."""
        world, history = self._world, self._judge.history
        data, known = world.redis.snapshot(), history.remembered()

        def stop() -> None:
            if world.redis_is_up:
                world.stop_redis(left=data)
                self._judge.lose_last_second(known)
                world.later(world.now + min(fault.for_s, 9.0), world.start_redis)

        if world.redis_is_up:
            world.later(world.now + min(fault.for_s, 1.0), stop)

    def end(self) -> None:
        """Let nothing more happen."""
        self._judge.end_trouble()
        for connection in self._world.network.connections.values():
            connection.slower_by_s = 0.0


def _disturb_process(fault: Fault, process: Process, fleet: Fleet | None) -> None:
    match fault.kind:
        case "crash":
            process.crash(with_its_machine=fault.for_s < 0.5)
        case "crash_soon":
            process.crash_after(1 + int(fault.for_s * 40))
        case "freeze":
            process.freeze(fault.for_s)
        case "terminate" if fleet is not None:
            fleet.stop(at_once=fault.for_s < 1)
        case "partition":
            process.partition(fault.for_s)
        case "askew":
            process.skew_s = (fault.for_s - 6.0) * 600


def _disturb_connections(fault: Fault, process: Process, world: World) -> None:
    network = world.network
    match fault.kind:
        case "cut":
            network.cut(network.of(process))
        case "cut_silently":
            network.cut(list(network.connections.values()), silent_s=min(fault.for_s, 12.0))
        case "slow":
            for connection in network.of(process):
                connection.slower_by_s = fault.for_s / 10
        case "hold":
            for connection in network.of(process)[:1]:
                connection.held_until = world.now + fault.for_s
