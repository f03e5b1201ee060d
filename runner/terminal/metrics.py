"""What ended in the last hour: all jobs together as a chart, and each of them in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text

from runner.broker.redis_clock import redis_now
from runner.operations.metrics import all_jobs, deploys, together
from runner.operations.plot import SHARES
from runner.terminal.charts import bars, strips
from runner.terminal.live_table import Line
from runner.terminal.pane import Pane, Reading
from runner.wording import counted, milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.operations.metrics import JobMetrics
    from runner.operations.session import OperatorSession

_CHART = (5, 16)


class Metrics(Pane):
    """Each job's attempts, runs and waits, the one that took the most time on top."""

    COLUMNS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "metrics": {
            "job": "left",
            "queue": "left",
            "done": "right",
            "failed": "right",
            "run, half": "right",
            "run, 95 %": "right",
            "wait, half": "right",
            "wait, 95 %": "right",
            "by the minute": "left",
            "": "left",
        }
    }

    async def look(self, session: OperatorSession) -> Reading:
        """Read the counts of the last hour."""
        columns, rows = self.app.size
        found = await all_jobs(session.redis, hours=1)
        chart = strips(
            together(found),
            room=(columns - 1, max(_CHART[0], min(_CHART[1], rows - len(found) - 8))),
            until=await redis_now(session.redis),
            deploys=await deploys(session.redis),
        )
        head = Text(f"{counted(len(found), 'job')} ran in the last hour.")
        lines = [_line(one, columns) for one in found]
        return Reading(Text("\n").join([head, chart]), [lines])


def _line(one: JobMetrics, columns: int) -> Line:
    total = one.total
    half, most, _ = SHARES
    cells = (
        one.name,
        one.queue,
        total.done,
        total.failed,
        milliseconds(total.percentile_ms(half)),
        milliseconds(total.percentile_ms(most)),
        milliseconds(total.wait_percentile_ms(half)),
        milliseconds(total.wait_percentile_ms(most)),
        bars([cell.attempts for cell in one.cells][-min(60, max(12, columns - 118)) :])[0],
        one.unreadable,
    )
    return Line(f"{one.queue}/{one.name}", cells, one, "")
