"""Throughput of the last hour, and all queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from runner.operations.findings import Severity, findings, title
from runner.operations.snapshot import look
from runner.operations.words import note
from runner.terminal.live_table import Line
from runner.terminal.pane import Pane, Reading
from runner.wording import span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.operations.findings import Finding
    from runner.operations.metrics import Cell
    from runner.operations.queues import Queue
    from runner.operations.session import OperatorSession

_COUNTS = ("ready", "running", "scheduled", "retrying", "dead")
_BARS = "▁▂▃▄▅▆▇█"


class Overview(Pane):
    """Throughput and queues."""

    COLUMNS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "queues": {"queue": "left"}
        | dict.fromkeys((*_COUNTS, "oldest", "workers"), "right")
        | {"": "left"}
    }

    async def look(self, session: OperatorSession) -> Reading:
        """Read what is wrong, all queues, and the attempts of the last hour."""
        seen = await look(session.redis, session.queues, session.catalog, session.schedule)
        summary = f"{wrong(findings(seen))}\n{throughput(seen.cells)}"
        return Reading(summary, [[_line(one) for one in seen.queues]])


def wrong(found: Sequence[Finding]) -> str:
    """What is wrong, the worst first: a line each, and how many more there are."""
    lines = [f"{_MARKS[one.severity]} {one.text}" for one in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"  {len(found) - _SHOWN} more: pipeline doctor")
    return "\n".join([title(found), *lines])


_SHOWN = 3
_MARKS = {Severity.OK: "✓", Severity.WARNING: "▲", Severity.ERROR: "✖"}


def throughput(cells: Sequence[Cell]) -> str:
    """The attempts that ended in this minute, the last one and the hour, and bars by minute."""
    if not cells:
        return "Nothing has ended in the last hour."
    ended = [cell.attempts for cell in cells]
    failed = sum(cell.failed for cell in cells)
    last = ended[-2] if len(ended) > 1 else 0
    return (
        f"{ended[-1]:,} ended this minute, {last:,} in the last, {sum(ended):,} in the hour, "
        f"{failed:,} of them failed\n{bars(ended)}"
    )


def bars(values: Sequence[int]) -> str:
    """One character for each value: the highest is full, and only 0 is blank."""
    most = max(values, default=0)
    steps = len(_BARS) - 1
    return "".join(_BARS[-(-value * steps // most)] if value else " " for value in values)


def _line(one: Queue) -> Line:
    cells = (
        one.name,
        *(getattr(one, name) for name in _COUNTS),
        span(one.oldest_wait_s) if one.ready else "–",
        one.workers,
        note(one),
    )
    return Line(one.name, cells, one, "magenta" if one.paused else "")
