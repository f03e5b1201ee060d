"""
Scenarios in a simulated world: your jobs, your workers, an hour in a second, a crash anywhere.

    async def scenario(world: World) -> None:
        handle = await send.enqueue(to="a@example.org")
        await asyncio.sleep(3600)
        assert await handle.state() is JobState.DONE

    simulate(scenario, MailWorker, seed=7)
    crash_everywhere(scenario, MailWorker)

The scenario is a process of the world like the workers: it enqueues, sleeps and looks, in the
world's time. Whatever it raises is raised here.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from runner import current
from runner.client import connect
from runner.simulation.world import Process, Stuck, World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from runner.worker_settings import WorkerSettings

T = TypeVar("T")

_ADDRESS = "redis://simulated:6379"
_RESTART_S = 1.0
_DAY_S = 86_400.0


def simulate(
    scenario: Callable[[World], Awaitable[T]],
    *workers: type[WorkerSettings],
    seed: int | str = 0,
    longest_s: float = _DAY_S,
) -> T:
    """
    Run *scenario* beside a process of each settings class, and return what it returns.

    A worker process that dies is started again after a second. seed: decides every order, delay and
    id. longest_s: seconds of the world's time.

    Raises:
        Stuck: The scenario had not ended by then.
    """
    return _Stage(scenario, workers, seed).play(longest_s)


def crash_everywhere(
    scenario: Callable[[World], Awaitable[object]],
    *workers: type[WorkerSettings],
    seed: int | str = 0,
    longest_s: float = _DAY_S,
    most: int | None = None,
) -> int:
    """
    Run *scenario* once for each step of the first worker, which is killed right after that step.

    The steps come in an order that spreads them evenly: what breaks anywhere in a twentieth of them
    is found within some forty runs. most: try so many of them at most; None for all.

    Returns:
        How many steps there were. Whatever the scenario raises is raised, with a note that says
        after which step.
    """
    whole = _Stage(scenario, workers, seed)
    whole.play(longest_s)
    for step in islice(_spread(whole.steps), most):
        try:
            _Stage(scenario, workers, seed, crash_after=step).play(longest_s)
        except BaseException as error:
            error.add_note(f"The first worker was killed after step {step} of {whole.steps}.")
            raise
    return whole.steps


def _spread(count: int) -> Iterator[int]:
    """Give each number from 1 to *count* once: by the bits of 0, 1, 2 … in reverse."""
    bits = count.bit_length()
    for place in range(1 << bits):
        number = int(f"{place:0{bits}b}"[::-1], 2) + 1
        if number <= count:
            yield number


class _Stage(Generic[T]):
    """One run of a scenario."""

    def __init__(
        self,
        scenario: Callable[[World], Awaitable[T]],
        workers: tuple[type[WorkerSettings], ...],
        seed: int | str,
        *,
        crash_after: int | None = None,
    ) -> None:
        self._scenario = scenario
        self._workers = workers
        self._seed = seed
        self._crash_after = crash_after
        self.steps = 0
        """Callbacks that the first worker ran."""

    def play(self, longest_s: float) -> T:
        """Run it to its end."""
        with World(self._seed) as world:
            processes = [self._start(world, settings, 1) for settings in self._workers]
            if self._crash_after is not None and processes:
                processes[0].crash_after(self._crash_after)
            main = world.process("scenario", lambda: self._main(world))
            if not world.run_until(lambda: not main.is_alive, longest_s=longest_s):
                raise Stuck(f"the scenario had not ended after {longest_s:g} s")
            self.steps = processes[0].loop.callbacks if processes else 0
            assert main.main is not None  # noqa: S101 -- it has ended
            result: T = main.main.result()
            return result

    async def _main(self, world: World) -> T:
        prefix = next((one.prefix for one in self._workers), "")
        client = connect(_ADDRESS, prefix=prefix)
        current.use(client)
        try:
            return await self._scenario(world)
        finally:
            await client.aclose()

    def _start(self, world: World, settings: type[WorkerSettings], life: int) -> Process:
        async def main() -> None:
            worker = settings.worker(handle_signals=False)
            try:
                await worker.async_run()
            finally:
                await worker.close()

        process = world.process(f"{settings.__name__}-{life}", main)

        def look() -> None:
            if process.is_alive:
                world.later(world.now + _RESTART_S, look)
            else:
                self._start(world, settings, life + 1)

        world.later(_RESTART_S, look)
        return process
