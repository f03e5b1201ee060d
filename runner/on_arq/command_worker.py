"""The worker of arq's command: it owns its process, which is guarded, and ends in time."""

from __future__ import annotations

from runner.on_arq.worker import Worker
from runner.worker.guard import Guard
from runner.worker.process_exit import end_in_time, leave_threads_to_exit


class CommandWorker(Worker):
    """It is what arq makes by the name `arq.worker.Worker`."""

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
