"""
The one patch in the project: `arq some.WorkerSettings` runs our worker.

arq's command creates `arq.worker.Worker` by that name, and has no option for another class. It
imports the settings class first; when that is one of ours, the name is bound to our worker. Code
that imported arq's own class before keeps it.
"""

from __future__ import annotations

import arq.worker

from runner.on_arq.worker import Worker
from runner.worker.guard import Guard
from runner.worker.process_exit import end_in_time, leave_threads_to_exit


class CommandWorker(Worker):
    """The worker of arq's command: it owns its process, which is guarded, and ends in time."""

    def run(self) -> None:
        """Run in a loop of its own, and close."""
        status = 1
        try:
            super().run()
            status = 0
        finally:
            end_in_time(status)

    async def _run_and_close(self) -> None:
        leave_threads_to_exit()
        async with (
            Guard() as guard,
            guard.limited_once(self.ready.wait(), self.options.blocked_limit_s),
        ):
            await super()._run_and_close()


def run_our_worker() -> None:
    """Bind arq's name for its worker to ours."""
    arq.worker.Worker = CommandWorker  # type: ignore[misc]
