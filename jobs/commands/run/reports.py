"""
The last step of a run: compare the channels, then make their reports.

So the reports of a first run know which channels are similar. Who waits for a retry, or until a
quota is renewed, does not hold up the others: their reports follow, after another comparison.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs import compare_channels
from jobs.commands.run.first import until_done
from jobs.report_flow import report_flow
from jobs.services import Services
from runner import Batch
from runner.periodic.gauges import queue_gauges

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jobs.commands.host import Workplace
    from runner import BatchProgress, JobHandle


@dataclass(frozen=True, slots=True)
class Reports:
    """
    Makes the reports of channels whose analysis and advice are there.

    batches: what has been made of each channel before. firsts: with which job that began.
    compares: whether there are channels enough to compare. tell: shows a person one line.
    """

    place: Workplace
    queues: Sequence[str]
    batches: Mapping[str, Batch]
    firsts: Mapping[str, JobHandle[str]]
    compares: bool
    tell: Callable[[str], None]
    stop: asyncio.Event

    async def is_time(self) -> bool:
        """With no job that runs or could, the others wait for a retry, or for their quota."""
        if not self.compares:
            return True
        gauges = [await queue_gauges(self.place.redis, queue) for queue in self.queues]
        return not any(one.ready + one.running for one in gauges)

    async def begin(self, ended: Mapping[str, BatchProgress]) -> dict[str, Batch]:
        """Return the flow that makes the report of each of *ended* that was analysed."""
        if self.compares:
            problem = await until_done(await compare_channels.enqueue(), self.stop)
            if problem:
                self.tell(f"The channels were not compared: {problem}")
        if self.stop.is_set():
            return {}
        analysed = [one for one, jobs in ended.items() if "analytics" in jobs.queues]
        started = await asyncio.gather(*[self._start(one) for one in analysed])
        return {one: flow for one, flow in zip(analysed, started, strict=True) if flow is not None}

    async def _start(self, channel_id: str) -> Batch | None:
        """A channel whose advice died has no report to make."""
        runs = await self.place.get(Services).store.analyses.runs(channel_id, 1)
        if not runs or runs[0].recommended_at is None:
            return None
        flow_id = f"{self.batches[channel_id].id}:report"
        with self.firsts[channel_id].followed():
            await report_flow(runs[0].id, flow_id, advise=False).start()
        return Batch(id=flow_id)
