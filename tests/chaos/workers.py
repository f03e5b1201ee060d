"""The worker processes of a run."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING

from tests.chaos.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.wall_clock import WallClock


class Workers:
    """
    Worker processes, one for each address; one that dies is restarted, as by a supervisor.

    What they log goes into *folder*. clocks: of each; none where they cannot be set. program: the
    module that they run, with the address and the ledger as arguments.
    """

    def __init__(
        self,
        urls: Sequence[str],
        clocks: Sequence[WallClock],
        ledger: Path,
        folder: Path,
        program: str = "tests.chaos.workload",
    ) -> None:
        self._notes = Ledger(ledger)
        self._urls = urls
        self._program = program
        self._ledger = ledger
        self._folder = folder
        self._ending = False
        self.clocks = clocks
        self.processes: list[asyncio.subprocess.Process] = []
        self._keepers: list[asyncio.Task[None]] = []
        self.exits: Counter[int] = Counter()

    async def start(self) -> None:
        """Start all workers."""
        for slot in range(len(self._urls)):
            self.processes.append(await self._start(slot))
            self._keepers.append(asyncio.create_task(self._keep(slot)))

    async def stop(self) -> None:
        """Stop all workers gracefully, and wait."""
        self._ending = True
        for process in self.processes:
            self.send(process, signal.SIGTERM)
        await asyncio.gather(*self._keepers)

    def kill(self) -> None:
        """Kill those that still run."""
        self._ending = True
        for process in self.processes:
            self.send(process, signal.SIGKILL)

    @staticmethod
    def send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        """Send a signal to a process that may be gone."""
        if process.returncode is None:
            process.send_signal(number)

    async def _start(self, slot: int) -> asyncio.subprocess.Process:
        environment = self.clocks[slot].environment if self.clocks else {}
        with (self._folder / f"worker-{slot}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", self._program, self._urls[slot], str(self._ledger)),
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
            )

    async def _keep(self, slot: int) -> None:
        while True:
            code = await self.processes[slot].wait()
            self._notes.note("down", detail=self.processes[slot].pid)
            self.exits[code] += 1
            if self._ending:
                return
            self.processes[slot] = await self._start(slot)
