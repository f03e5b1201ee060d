"""What is wrong, the last hour by the minute, all queues, and what fails, runs and comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text

from runner.operations.findings import CHECKED, Severity, findings, title
from runner.operations.plot import SHARES
from runner.operations.snapshot import look
from runner.operations.usual import UsualBands
from runner.operations.words import UNREADABLE, note, progress, shown
from runner.terminal.charts import FAILED, MUTED, bars, strips
from runner.terminal.live_table import Line
from runner.terminal.pane import Pane, Reading
from runner.wording import NOTHING, elapsed, local_time, milliseconds, short, size, span, zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.operations.findings import Finding
    from runner.operations.queues import Queue
    from runner.operations.session import OperatorSession
    from runner.operations.snapshot import Snapshot
    from runner.operations.usual import Pace

_COUNTS = ("ready", "running", "scheduled", "retrying", "dead")
_SHOWN = 3
_MARKS = {Severity.OK: "✓", Severity.WARNING: "▲", Severity.ERROR: "✖"}
_COLORS = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.ERROR: "red"}
_AROUND = 4
"""Rows of tabs, status and keys."""

_CHART = (5, 14)
_UNSEEN = (80, 24)
"""Columns and rows while no terminal shows it."""

_LISTED = 4


class Overview(Pane):
    """The first glance. It uses the rows that there are: findings and queues stay, lists go."""

    COLUMNS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "queues": {"queue": "left"}
        | dict.fromkeys((*_COUNTS, "waits"), "right")
        | {"": "left"}
        | dict.fromkeys(("workers", "half below", "95 % below"), "right")
        | {"ready, last hour": "left"}
    }

    def __init__(self) -> None:
        super().__init__()
        self._bands: UsualBands | None = None

    async def look(self, session: OperatorSession) -> Reading:
        """Read what is wrong, all queues, and the attempts of the last hour."""
        self._bands = self._bands or UsualBands(session.redis)
        seen = await look(
            session.redis, session.queues, session.catalog, session.schedule, bands=self._bands
        )
        columns, rows = self.app.size if self.is_attached else _UNSEEN
        left = rows - _AROUND - len(seen.queues) - 2
        found = findings(seen)
        heads = [_head(seen), _pace(seen.pace), *wrong(found)]
        for line in heads:
            line.truncate(columns - 3, overflow="ellipsis")
        left -= len(heads)
        lists = [one for one in (_failing(seen), _running(seen), _next(seen)) if len(one) > 1]
        tall = max(_CHART[0], min(_CHART[1], left - len(lists) * (_LISTED + 2)))
        chart = strips(
            seen.cells,
            room=(columns - 1, tall),
            until=seen.at,
            deploys=seen.deploys,
            polls=sorted(one.at for each in seen.depths.values() for one in each if one.at),
        )
        left -= len(chart.plain.splitlines())
        below: list[Text] = []
        for lines in lists:
            if left > _LISTED // 2:
                below += [Text(""), *lines[: min(len(lines), left - 1, _LISTED + 1)]]
                left -= 1 + min(len(lines), _LISTED + 1)
        for line in below:
            line.truncate(columns - 2, overflow="ellipsis")
        queues = [_line(one, seen, columns) for one in seen.queues]
        return Reading(Text("\n").join([*heads, chart]), [queues], Text("\n").join(below))


def _head(seen: Snapshot) -> Text:
    """When it was read, and how the machine is: slots, memory, Redis's answer."""
    memory = seen.store.memory_limit
    return Text.assemble(
        ("● ", "green"),
        (f"{local_time(seen.at)} {zone()}", "bold"),
        (f"  {seen.busy:,} of {seen.slots:,} slots", ""),
        (f"  redis {milliseconds(seen.store.answer_ms)}", ""),
        (f"  {size(seen.store.memory)}" + (f" of {size(memory)}" if memory else ""), ""),
    )


def _pace(pace: Pace) -> Text:
    """The last full minutes, each figure beside what is usual at this time of day."""
    line = Text()
    for value, what, usual in (
        (short(pace.done_a_minute), "done a minute", pace.usual_done),
        (pace.share_failing, "failing", pace.usual_failing),
        (milliseconds(pace.run_ms), "half ran below", pace.usual_run),
    ):
        is_bad = what == "failing" and pace.is_failing_more
        line.append("  " if line else "")
        line.append(value, f"bold {FAILED}" if is_bad else "bold")
        line.append(f" {what}")
        line.append(f" ({usual})" if usual else "", MUTED)
    return line


def wrong(found: Sequence[Finding]) -> list[Text]:
    """What is wrong, the worst first: a line each, and how many more there are."""
    if not found:
        return [Text.assemble(("✓ All well", "bold green"), (f"  {', '.join(CHECKED)}", MUTED))]
    lines = [Text(title(found), "bold")]
    for one in found[:_SHOWN]:
        color = _COLORS[one.severity]
        line = Text.assemble((f"{_MARKS[one.severity]} ", f"bold {color}"), shown(one.text))
        line.append(f"  {shown(one.remedy)}" if one.remedy else "", MUTED)
        lines.append(line)
    if len(found) > _SHOWN:
        lines.append(Text(f"  {len(found) - _SHOWN} more: pipeline doctor", MUTED))
    return lines


def _line(one: Queue, seen: Snapshot, columns: int) -> Line:
    last = seen.last_of(one.name)
    half, most, _ = (milliseconds(last.wait_percentile_ms(share)) for share in SHARES)
    depths = [each.ready for each in seen.depths[one.name] if each.at is not None]
    cells = (
        one.name,
        *(getattr(one, name) for name in _COUNTS),
        span(one.oldest_wait_s) if one.ready else NOTHING,
        note(one),
        one.workers,
        half,
        most,
        bars(depths[-min(60, max(12, columns - 110)) :])[0],
    )
    return Line(one.name, cells, one, "magenta" if one.paused else "")


def _failing(seen: Snapshot) -> list[Text]:
    return [
        Text("Dead, by error", "bold"),
        *(
            Text.assemble(
                (f"{one.count:>7,} × ", f"bold {FAILED}"),
                (shown(one.error or "no error"), FAILED),
                f" in {shown(one.job or UNREADABLE)}  ",
                (f"{local_time(one.last_at)}  {shown(one.message)}", MUTED),
            )
            for one in seen.dead.groups
        ),
    ]


def _running(seen: Snapshot) -> list[Text]:
    running = [job for process in seen.processes for job in process.running if job.started_at]
    return [
        Text(f"Running longest, of {len(running):,}", "bold"),
        *(
            Text.assemble(
                ("◉ ", "green"),
                f"{shown(one.name or UNREADABLE)}  ",
                (f"{elapsed(one.started_at)}  ", "bold"),
                (f"{shown(progress(one.progress))}  {one.queue}", MUTED),
            )
            for one in sorted(running, key=lambda job: job.started_at or seen.at)
        ),
    ]


def _next(seen: Snapshot) -> list[Text]:
    planned = [(one.next_at, one) for one in seen.schedules if one.next_at is not None]
    return [
        Text("Next schedules", "bold"),
        *(
            Text.assemble(
                (f"{local_time(at):>16}  ", "bold"),
                f"{shown(one.name)}  ",
                (one.words, MUTED),
                (f", last ran {local_time(one.last_at)}" if one.last_at else "", MUTED),
            )
            for at, one in sorted(planned, key=lambda pair: (pair[0], pair[1].name))
        ),
    ]
