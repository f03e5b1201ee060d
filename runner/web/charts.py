"""
Charts over time as SVG: real times along the axis, values in reach of pointer, keys and readers.

Nothing is scaled: places along the axis are percentages, heights and letters are pixels, so a chart
is drawn anew at whatever width it has. Only lines lie in a picture of their own that stretches.
Colours come from the stylesheet.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup

from runner.operations.plot import (
    SHARES,
    Axis,
    failed_words,
    is_unread,
    nice,
    wait_bounds,
    wait_place,
)
from runner.states import JobState
from runner.wording import milliseconds, number, short, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from runner.operations.job import JobView
    from runner.operations.metrics import Cell, Deploy
    from runner.operations.queues import Depth

_DONE, _FAILED, _WAITS = (22, 78), (122, 40), (186, 68)
"""Top and height of the strips."""

_HEIGHT: Final = 284
_GAP_POLLS: Final = 6


class Strip(NamedTuple):
    """Where bars stand: top and height in pixels, and the value of the highest."""

    top: int
    height: int
    most: float


def strips(
    cells: Sequence[Cell],
    *,
    step_s: int,
    until: datetime,
    deploys: Sequence[Deploy] = (),
    polls: Sequence[datetime] = (),
    jobs_at: str = "",
) -> Markup:
    """
    Done and failed attempts by the step, and their waits, over one axis.

    polls: times at which somebody read; a step within them without any is drawn as not read.
    jobs_at: where a click on a step leads, with its span.
    """
    timed = [(cell, cell.at) for cell in cells if cell.at is not None]
    if not timed:
        return Markup("")
    step = timedelta(seconds=step_s)
    axis = Axis(timed[0][1], max(until, timed[-1][1] + step))
    unread = [at for cell, at in timed if not cell.attempts and is_unread(at, at + step, polls)]
    done = Strip(*_DONE, nice(max(cell.done for cell in cells)))
    failed = Strip(*_FAILED, nice(max(cell.failed for cell in cells)))
    shapes = [
        _scale(done),
        _scale(failed, middle=False),
        _wait_scale(cells),
        *[_tick(axis, at, is_odd=bool(place % 2)) for place, at in enumerate(axis.ticks())],
        *[_hatched(axis, at, at + step) for at in unread],
        _bars(axis, [(at, cell.done) for cell, at in timed], step, done, "done"),
        _bars(axis, [(at, cell.failed) for cell, at in timed], step, failed, "failed"),
        _wait_lines(axis, timed, step),
        *_marks(axis, deploys),
        *[
            _minute(axis, cell, step, at=at, is_unread=at in unread, jobs_at=jobs_at)
            for cell, at in timed
        ],
    ]
    if unread:
        shapes.append(
            Markup('<text class="unread" x="{:.2f}%" y="16">not read</text>').format(
                axis.place(unread[0])
            )
        )
    last = timed[-2][0] if len(timed) > 1 else timed[-1][0]
    return Markup(
        '<div class="strips" data-strips><dl class="legend">{}</dl>'
        '<svg class="plot-svg" height="{}" role="group" tabindex="0" aria-label="{}">{}</svg></div>'
    ).format(_legend(last), _HEIGHT, _words(cells), Markup("").join(shapes))


def _legend(last: Cell) -> Markup:
    return Markup(
        '<div><dt>Done</dt><dd data-of="done">{}</dd></div>'
        '<div class="bad"><dt>Failed</dt><dd data-of="failed"{}>{}</dd></div>'
        "<div><dt>Wait, due to started</dt>"
        '<dd><span class="line half"></span>half below <b data-of="half">{}</b></dd>'
        '<dd><span class="line most"></span>95 % below <b data-of="most">{}</b></dd>'
        '<dd><span class="line all"></span>99 % below <b data-of="all">{}</b></dd></div>'
    ).format(
        number(last.done),
        "" if last.failed else Markup(' class="none"'),
        failed_words(last),
        *(milliseconds(last.wait_percentile_ms(share)) for share in SHARES),
    )


def _words(cells: Sequence[Cell]) -> str:
    done, failed = sum(cell.done for cell in cells), sum(cell.failed for cell in cells)
    return (
        f"{number(done)} attempts done and {number(failed)} failed over time, with their waits; "
        "arrow keys go from step to step"
    )


def _minute(
    axis: Axis, cell: Cell, step: timedelta, *, at: datetime, is_unread: bool, jobs_at: str
) -> Markup:
    """What a pointer or the arrow keys find there: its values in words, and its jobs."""
    waits = [milliseconds(cell.wait_percentile_ms(share)) for share in SHARES]
    where = ""
    if jobs_at:
        ends = {"since": at.isoformat(), "until": (at + step).isoformat()}
        where = f"{jobs_at}{'&' if '?' in jobs_at else '?'}{urlencode(ends)}"
    said = "not read" if is_unread else f"{number(cell.done)} done, {number(cell.failed)} failed"
    return Markup(
        '<a class="minute"{} tabindex="-1" data-at="{}" data-step="{:.0f}" data-done="{}" '
        'data-failed="{}" data-half="{}" data-most="{}" data-all="{}">'
        '<rect x="{:.3f}%" width="{:.3f}%" y="{}" height="{}"/><title>{:%H:%M} UTC: {}</title></a>'
    ).format(
        Markup(' href="{}"').format(where) if where else "",
        at.isoformat(),
        step.total_seconds(),
        "not read" if is_unread else number(cell.done),
        "not read" if is_unread else failed_words(cell),
        *waits,
        axis.place(at),
        axis.place(at + step) - axis.place(at),
        _DONE[0],
        _WAITS[0] + _WAITS[1] - _DONE[0],
        at,
        said,
    )


def _bars(
    axis: Axis, bars: Sequence[tuple[datetime, int]], step: timedelta, strip: Strip, kind: str
) -> Markup:
    top, height, most = strip
    shapes = []
    for at, value in bars:
        tall = value / most * height
        if tall:
            x, wide = axis.place(at), axis.place(at + step) - axis.place(at)
            shapes.append(
                Markup(
                    '<rect class="{}" x="{:.3f}%" width="{:.3f}%" y="{:.1f}" height="{:.1f}"/>'
                ).format(kind, x + wide * 0.06, wide * 0.88, top + height - tall, tall)
            )
    return Markup("").join(shapes)


def _wait_scale(cells: Sequence[Cell]) -> Markup:
    low, high = wait_bounds(cells)
    top, height = _WAITS
    shapes = []
    for place, label in _LABELLED.items():
        if low <= place <= high:
            y = top + height * (1 - wait_place(place, low, high))
            shapes.append(_grid(y, label))
    return Markup("").join(shapes)


_LABELLED: Final = {
    1.0: "1 ms",
    10.0: "10 ms",
    100.0: "0.1 s",
    1_000.0: "1 s",
    10_000.0: "10 s",
    60_000.0: "1 min",
    600_000.0: "10 min",
    3_600_000.0: "1 h",
}


def _wait_lines(axis: Axis, timed: Sequence[tuple[Cell, datetime]], step: timedelta) -> Markup:
    low, high = wait_bounds([cell for cell, _ in timed])
    top, height = _WAITS
    lines = []
    for share, kind in zip(SHARES, ("half", "most", "all"), strict=True):
        runs: list[list[str]] = [[]]
        for cell, at in timed:
            ms = cell.wait_percentile_ms(share)
            if ms is None:
                runs.append([])
                continue
            y = height * (1 - wait_place(ms, low, high))
            runs[-1].append(f"{10 * axis.place(at + step / 2):.1f},{y:.1f}")
        for run in runs:
            if len(run) == 1:  # a line has two ends
                run.append(run[0])
        lines += [
            Markup('<polyline class="{}" points="{}"/>').format(kind, " ".join(run))
            for run in runs
            if run
        ]
    return _stretched(top, height, lines)


def _stretched(top: int, height: int, lines: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 1000 {}" '
        'preserveAspectRatio="none" class="lines">{}</svg>'
    ).format(top, height, height, Markup("").join(lines))


def _marks(axis: Axis, deploys: Sequence[Deploy]) -> Iterable[Markup]:
    for one in deploys:
        if one.at is None or not axis.since <= one.at <= axis.until:
            continue
        x = axis.place(one.at)
        anchor = "end" if x > 80 else "start"  # noqa: PLR2004 -- percent
        yield Markup(
            '<g class="deploy"><line x1="{:.3f}%" x2="{:.3f}%" y1="18" y2="{}"/>'
            '<text x="{:.3f}%" y="12" text-anchor="{}" data-mark="{}" data-at="{}">'
            "{} at {:%H:%M:%S} UTC</text></g>"
        ).format(x, x, sum(_WAITS), x, anchor, one.release, one.at.isoformat(), one.release, one.at)


def _hatched(axis: Axis, since: datetime, until: datetime) -> Markup:
    return Markup('<rect class="unread" x="{:.3f}%" width="{:.3f}%" y="{}" height="{}"/>').format(
        axis.place(since),
        axis.place(until) - axis.place(since),
        _DONE[0],
        sum(_WAITS) - _DONE[0],
    )


def _tick(axis: Axis, at: datetime, *, is_odd: bool) -> Markup:
    x, foot = axis.place(at), sum(_WAITS)
    return Markup(
        '<line class="grid" x1="{:.3f}%" x2="{:.3f}%" y1="{}" y2="{}"/>'
        '<text x="{:.3f}%" y="{}" text-anchor="middle" class="{}" data-clock-at="{}">'
        "{:%H:%M} UTC</text>"
    ).format(x, x, _DONE[0], foot, x, foot + 18, "odd" if is_odd else "even", at.isoformat(), at)


def _scale(strip: Strip, *, middle: bool = True) -> Markup:
    top, height, most = strip
    values = (0.0, most / 2, most) if middle else (0.0, most)
    return Markup("").join(_grid(top + height * (1 - one / most), short(one)) for one in values)


def _grid(y: float, label: str) -> Markup:
    return Markup(
        '<line class="grid" x1="0" x2="100%" y1="{:.1f}" y2="{:.1f}"/>'
        '<text class="scale" x="100%" dx="6" y="{:.1f}">{}</text>'
    ).format(y, y, y + 4, label)


def depth_line(series: Sequence[Depth], *, label: str) -> Markup:
    """A queue's ready jobs as a small line with its area; a gap where nobody read."""
    timed = [(one.at, one.ready) for one in series if one.at is not None]
    if len(timed) < 2:  # noqa: PLR2004 -- a line has two ends
        return Markup("")
    axis, most = Axis(timed[0][0], timed[-1][0]), max(value for _, value in timed) or 1
    gaps = sorted(b[0] - a[0] for a, b in pairwise(timed))
    usual = gaps[len(gaps) // 2]
    runs: list[list[tuple[float, float]]] = [[]]
    before = timed[0][0]
    for at, value in timed:
        if at - before > _GAP_POLLS * usual:
            runs.append([])
        before = at
        runs[-1].append((10 * axis.place(at), 24 - 21 * value / most))
    shapes = []
    for run in runs:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
        shapes.append(
            Markup('<polygon points="{:.1f},26 {} {:.1f},26"/><polyline points="{}"/>').format(
                run[0][0], points, run[-1][0], points
            )
        )
    return Markup(
        '<svg class="spark" viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(label, Markup("").join(shapes))


def minutes(times: Sequence[datetime], since: datetime, until: datetime, *, label: str) -> Markup:
    """How many of *times* fell into each of 30 steps, as small bars."""
    steps = [0] * 30
    length = (until - since).total_seconds() or 1
    for at in times:
        place = int((at - since).total_seconds() / length * len(steps))
        if 0 <= place < len(steps):
            steps[place] += 1
        elif place == len(steps):
            steps[-1] += 1
    most = max(steps) or 1
    shapes = [
        Markup('<rect x="{}" width="3" y="{:.1f}" height="{:.1f}"/>').format(
            place * 4, 24 - 22 * value / most, 22 * value / most
        )
        for place, value in enumerate(steps)
        if value
    ]
    return Markup(
        '<svg class="moments" viewBox="0 0 120 24" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><path d="M0 24h120"/>{}</svg>'
    ).format(label, Markup("").join(shapes))


def meter(part: float, whole: float, *, label: str, kind: str = "") -> Markup:
    """How much of *whole* is taken."""
    share = 0.0 if not whole else max(0.0, min(1.0, part / whole))
    return Markup(
        '<svg class="meter {}" role="img" aria-label="{}"><rect class="ground" width="100%" '
        'height="6" rx="3"/><rect class="full" width="{:.1f}%" height="6" rx="3"/></svg>'
    ).format(kind, label, 100 * share)


def attempts(view: JobView, now: datetime) -> Markup:
    """A job's life to scale: waits, pauses, runs with their numbers, and how long it stands."""
    runs = [
        (one.number, one.started_at, one.ended_at, "failed" if one.error else "done")
        for one in view.attempts
        if one.number is not None and one.started_at and one.ended_at
    ]
    if view.running and view.running.started_at:
        runs.append((view.running.attempt, view.running.started_at, now, "runs"))
    start = view.enqueued_at
    if start is None or not runs:
        return Markup("")
    ended = view.died_at or runs[-1][2]
    waits_on = view.due_at if view.state in _WAITS_ON and view.due_at else None
    until = max(waits_on or now, ended) if view.state is not JobState.DONE else ended
    first = min(start, runs[0][1])
    if view.state is JobState.DEAD:  # how long it stands must not squeeze what it did
        until = min(until, ended + max((ended - first) * _STANDS, timedelta(seconds=1)))
    if until <= first:
        return Markup("")
    axis = Axis(first, until)
    shapes = []
    before, kind = first, "waited"
    for number_, began, over, how in runs:
        shapes.append(_stretch(axis, before, began, kind))
        shapes.append(_block(axis, number_, began, over, how))
        before, kind = over, "paused"
    if waits_on:
        shapes.append(_stretch(axis, before, until, "paused"))
    elif view.state is JobState.DEAD:
        x = axis.place(min(ended, until))
        shapes.append(
            Markup('<line class="stands" x1="{:.2f}%" x2="100%" y1="16" y2="16"/>').format(x)
        )
    return Markup('<svg class="attempts" height="44" role="group" aria-label="{}">{}</svg>').format(
        _told(view, runs), Markup("").join(shapes)
    )


_STANDS: Final = 0.2
_WAITS_ON: Final = frozenset({JobState.RETRYING, JobState.SCHEDULED})


def _stretch(axis: Axis, since: datetime, until: datetime, kind: str) -> Markup:
    x, wide = axis.place(since), axis.place(until) - axis.place(since)
    if wide <= 0:
        return Markup("")
    length = span((until - since).total_seconds())
    label = (
        Markup('<text x="{:.2f}%" y="42" text-anchor="middle">{}{}</text>').format(
            x + wide / 2, "waited " if kind == "waited" else "", length
        )
        if wide > 9  # noqa: PLR2004 -- percent: narrower ones have no room for words
        else ""
    )
    return Markup(
        '<rect class="{}" x="{:.2f}%" width="{:.2f}%" y="13" height="6"><title>{} {}</title>'
        "</rect>{}"
    ).format(kind, x, wide, kind, length, label)


def _block(axis: Axis, number_: int | None, began: datetime, over: datetime, how: str) -> Markup:
    wide = axis.place(over) - axis.place(began)
    x = min(axis.place(began), 98.5)
    length = span((over - began).total_seconds())
    return Markup(
        '<a href="#attempt-{}"><svg x="{:.2f}%" y="6" width="{:.2f}%" height="20" '
        'overflow="visible" class="run {}"><rect width="100%" height="20" rx="3"/>'
        '<rect width="17" height="20" rx="3"/><text x="8.5" y="14" text-anchor="middle">{}</text>'
        "<title>attempt {} {} after {}</title></svg></a>"
    ).format(number_, x, max(0.1, wide), how, number_, number_, how, length)


def _told(view: JobView, runs: Sequence[object]) -> str:
    return f"{len(runs)} attempts over time; the job is {view.state}"
