"""
The waterfall of a run, row by row: when each job waited, ran and ended, over one axis of time.

As in `charts`, places are percentages and heights are pixels, so a row is drawn anew at any width.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from runner.operations.plot import Axis
from runner.operations.run_jobs import Stretch
from runner.operations.runs import is_over
from runner.states import JobState
from runner.wording import span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from runner.operations.jobs import Row
    from runner.operations.run_jobs import RunJob
    from runner.operations.runs import RunGraph

_HEIGHT: Final = 30
_BAR: Final = 18
_TOP: Final = 4
_ALIKE: Final = 4
"""So many jobs that are alike are one row."""

_LANES: Final = 6
_TICKS: Final = 7
_INSIDE: Final = 17.0
"""Percent of the width in which a duration fits even on a phone."""

_FITS: Final = 0.95
"""Percent of the width that a character takes on a desk."""

_MIDDLE: Final = 55.0
_STEPS_S: Final = (
    *(step * scale for scale in (0.001, 0.01, 0.1, 1) for step in (1, 2, 5)),
    *(10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400),
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One row: a job, or several that are alike."""

    jobs: tuple[RunJob, ...]

    @property
    def first(self) -> RunJob:
        """The job that started first."""
        return self.jobs[0]

    @property
    def is_group(self) -> bool:
        """Whether it stands for several."""
        return len(self.jobs) > 1

    @property
    def state(self) -> JobState:
        """The state that most needs a look."""
        found = {one.state for one in self.jobs}
        return next((one for one in _WORST_FIRST if one in found), JobState.DONE)

    @property
    def workers(self) -> list[str]:
        """Who ran them."""
        return sorted({one.worker for one in self.jobs if one.worker})


_WORST_FIRST: Final = (
    JobState.DEAD,
    JobState.RETRYING,
    JobState.RUNNING,
    JobState.PARKED,
    JobState.READY,
    JobState.SCHEDULED,
    JobState.UNKNOWN,
)


def rows(graph: RunGraph) -> list[RunRow]:
    """Return the rows: jobs that are alike, led by the same job and lead to none, are one."""
    leads = {one.led_by for one in graph.jobs}
    alike: dict[object, list[RunJob]] = {}
    for one in graph.jobs:
        key = (one.led_by, one.name, one.queue) if one.job_id not in leads else one.job_id
        alike.setdefault(key, []).append(one)
    found = []
    for some in alike.values():
        if len(some) >= _ALIKE:
            found.append(RunRow(tuple(some)))
        else:
            found += [RunRow((one,)) for one in some]
    place = {one.job_id: number for number, one in enumerate(graph.jobs)}
    return sorted(found, key=lambda row: place[row.first.job_id])


def axis_of(graph: RunGraph) -> Axis:
    """The time that the run spans; of one that goes on, until now."""
    since = graph.began_at or graph.at
    until = max(graph.ended_at or graph.at, since)
    return Axis(since, until + max((until - since) * 0.02, timedelta(milliseconds=1)))


def ticks(axis: Axis) -> Markup:
    """How long after its begin, along the top."""
    return Markup('<svg class="track ticks" height="18" aria-hidden="true">{}</svg>').format(
        Markup("").join(
            Markup('<text x="{:.2f}%" y="13">{}</text>').format(x, label)
            for x, label in _ticks(axis)
        )
    )


def track(job: RunJob, axis: Axis, now: datetime) -> Markup:
    """One job: waits grey, attempts as bars, what it gave in or beside the last."""
    shapes = [*_grid(axis)]
    if job.is_gone:
        shapes.append(
            Markup(
                '<rect class="unread" width="100%" y="{}" height="{}"/>'
                '<text x="8" y="17" class="gave">ended; nothing else of it is kept</text>'
            ).format(_TOP, _BAR)
        )
    before = job.due_at
    for one in job.attempts:
        shapes.append(_wait(axis, before, one.started_at))
        shapes.append(_attempt(axis, one, now, _look(job, one)))
        before = one.ended_at
    if not is_over(job) and job.state is not JobState.RUNNING:
        shapes.append(_wait(axis, before, now, is_below=bool(job.attempts)))
    if job.is_on_path and job.attempts:
        x = axis.place(job.attempts[0].started_at)
        wide = max(0.3, axis.place(job.attempts[-1].ended_at or now) - x)
        shapes.append(
            Markup('<rect class="path" x="{:.2f}%" width="{:.2f}%" y="25" height="2"/>').format(
                x, wide
            )
        )
    shapes.append(_label(job, axis, now))
    return _row(_told(job, now), shapes)


def lanes(jobs: Sequence[RunJob], axis: Axis, now: datetime) -> Markup:
    """Jobs that are alike: side by side where they ran at the same time."""
    runs = [(one, stretch) for one in jobs for stretch in one.attempts]
    placed = [*packed([stretch for _, stretch in runs], now)]
    many = min(_LANES, max((lane for lane, _ in placed), default=0) + 1)
    tall = (_BAR + _TOP) / many
    shapes = [*_grid(axis)]
    for (lane, stretch), (one, _) in zip(placed, sorted(runs, key=_by_start), strict=True):
        x, wide = _place(axis, stretch.started_at, stretch.ended_at or now)
        shapes.append(
            Markup(
                '<rect class="bar {}" x="{:.2f}%" width="{:.2f}%" y="{:.1f}" height="{:.1f}" '
                'rx="1.5"/>'
            ).format(_look(one, stretch), x, wide, 3 + lane % many * tall, max(1.5, tall - 1))
        )
    if any(one.is_on_path for one in jobs) and runs:
        x = min(axis.place(stretch.started_at) for _, stretch in runs)
        end = max(axis.place(stretch.ended_at or now) for _, stretch in runs)
        shapes.append(
            Markup('<rect class="path" x="{:.2f}%" width="{:.2f}%" y="27" height="2"/>').format(
                x, max(0.3, end - x)
            )
        )
    done = sum(one.state is JobState.DONE for one in jobs)
    each = sum(one.ran_s for one in jobs) / max(1, sum(bool(one.attempts) for one in jobs))
    words = f"{done} of {len(jobs)} done, {span(each)} each"
    if runs:
        shapes.append(_beside(axis, [stretch for _, stretch in runs], now, "", words))
    return _row(f"{jobs[0].name}: {words}", shapes)


def slots(
    ended: Sequence[RunJob], running: Sequence[Row], since: datetime, now: datetime
) -> Markup:
    """What a worker ran since then, side by side where it ran several."""
    axis = Axis(since, max(now, since + timedelta(seconds=1)))
    told = {}
    for one in ended:
        for stretch in one.attempts[-1:]:
            told[stretch] = (one.name, _look(one, stretch))
    for row in running:
        if row.at is not None:
            told[Stretch(row.at, None, row.job_id)] = (row.name, "runs")
    shapes, many = [], 0
    for lane, stretch in packed(told, now):
        many = max(many, lane + 1)
        name, look = told[stretch]
        x, wide = _place(axis, stretch.started_at, stretch.ended_at or now)
        length = span(((stretch.ended_at or now) - stretch.started_at).total_seconds())
        shapes.append(
            Markup(
                '<rect class="bar {}" x="{:.2f}%" width="{:.2f}%" y="{}" height="12" rx="2">'
                "<title>{} {}</title></rect>"
            ).format(look, x, wide, lane * 16 + 2, name, length)
        )
    foot = many * 16 + 4
    marks = [
        Markup(
            '<line class="grid" x1="{:.2f}%" x2="{:.2f}%" y1="0" y2="{}"/><text x="{:.2f}%" y="{}" '
            'text-anchor="middle" data-clock-at="{}">{:%H:%M} UTC</text>'
        ).format(
            axis.place(at), axis.place(at), foot, axis.place(at), foot + 14, at.isoformat(), at
        )
        for at in axis.ticks()
    ]
    return Markup(
        '<svg class="track slots" height="{}" role="img" aria-label="{}">{}</svg>'
    ).format(
        foot + 20,
        f"{len(told)} jobs since {since:%H:%M:%S} UTC, at most {many} at a time",
        Markup("").join([*marks, *shapes]),
    )


def packed(stretches: Iterable[Stretch], now: datetime) -> Iterator[tuple[int, Stretch]]:
    """Give each the first lane that is free as it starts; those that start first come first."""
    free: list[datetime] = []
    for one in sorted(stretches, key=lambda one: one.started_at):
        lane = next((at for at, end in enumerate(free) if end <= one.started_at), len(free))
        free[lane : lane + 1] = [one.ended_at or now]
        yield lane, one


def _by_start(run: tuple[RunJob, Stretch]) -> datetime:
    return run[1].started_at


def _row(told: str, shapes: Sequence[Markup]) -> Markup:
    return Markup('<svg class="track" height="{}" role="img" aria-label="{}">{}</svg>').format(
        _HEIGHT, told, Markup("").join(shapes)
    )


def _ticks(axis: Axis) -> Iterator[tuple[float, str]]:
    length_s = (axis.until - axis.since).total_seconds()
    step_s = next((one for one in _STEPS_S if length_s / one <= _TICKS), length_s / _TICKS)
    for number in range(_TICKS + 1):
        x = 100 * number * step_s / length_s
        if x < 97:  # noqa: PLR2004 -- percent: a later one would leave the picture
            yield x, span(number * step_s) if number else "0 s"


def _grid(axis: Axis) -> Iterator[Markup]:
    for x, _ in _ticks(axis):
        yield Markup('<line class="grid" x1="{:.2f}%" x2="{:.2f}%" y1="0" y2="{}"/>').format(
            x, x, _HEIGHT
        )


def _place(axis: Axis, since: datetime, until: datetime) -> tuple[float, float]:
    x = min(99.7, max(0.0, axis.place(since)))
    return x, max(0.3, min(100.0, axis.place(until)) - x)


def _wait(axis: Axis, since: datetime | None, until: datetime, *, is_below: bool = False) -> Markup:
    """A line for a wait; is_below: where the last attempt has its words beside it."""
    if since is None or until <= since:
        return Markup("")
    x, wide = _place(axis, since, until)
    length = span((until - since).total_seconds())
    return Markup(
        '<rect class="waits" x="{:.2f}%" width="{:.2f}%" y="{}" height="{}">'
        "<title>waited {}</title></rect>"
    ).format(x, wide, 24 if is_below else 11, 3 if is_below else 4, length)


def _attempt(axis: Axis, one: Stretch, now: datetime, look: str) -> Markup:
    x, wide = _place(axis, one.started_at, one.ended_at or now)
    length = span(((one.ended_at or now) - one.started_at).total_seconds())
    what = "runs for" if one.ended_at is None else f"{one.error} after" if one.error else "ran"
    return Markup(
        '<rect class="bar {}" x="{:.2f}%" width="{:.2f}%" y="{}" height="{}" rx="3">'
        "<title>{} {}</title></rect>"
    ).format(look, x, wide, _TOP, _BAR, what, length)


def _look(job: RunJob, one: Stretch) -> str:
    if one.ended_at is None:
        return "runs"
    if not one.error:
        return "ran"
    return "failed" if job.state in {JobState.DEAD, JobState.DONE} else "again"


def _label(job: RunJob, axis: Axis, now: datetime) -> Markup:
    if not job.attempts:
        return Markup("") if job.is_gone else _waiting(job, axis, now)
    last = job.attempts[-1]
    took = span(((last.ended_at or now) - last.started_at).total_seconds())
    gave = job.gave if job.state is not JobState.RUNNING else "runs"
    x, wide = _place(axis, last.started_at, last.ended_at or now)
    if wide < _INSIDE:
        return _beside(axis, job.attempts, now, took, gave)
    fits = len(took) + len(gave) + 4 < wide / _FITS
    inside = Markup('<text class="within" x="{:.2f}%" dx="8" y="17"><tspan class="took">{}</tspan>')
    return (
        inside.format(x, took)
        + (Markup('<tspan class="gave" dx="10">{}</tspan>').format(gave) if fits else "")
        + Markup("</text>")
    )


def _waiting(job: RunJob, axis: Axis, now: datetime) -> Markup:
    x = min(100.0, axis.place(job.due_at)) if job.due_at and job.due_at < now else 0.0
    words = job.gave or str(job.state)
    if x > _MIDDLE:
        return Markup(
            '<text class="gave" x="{:.2f}%" dx="-8" y="17" text-anchor="end">{}</text>'
        ).format(x, words)
    return Markup('<text class="gave" x="{:.2f}%" dx="8" y="{}">{}</text>').format(x, 17, words)


def _beside(
    axis: Axis, stretches: Sequence[Stretch], now: datetime, took: str, gave: str
) -> Markup:
    first = min(axis.place(one.started_at) for one in stretches)
    end = max(axis.place(one.ended_at or now) for one in stretches)
    if end <= _MIDDLE:
        return Markup(
            '<text x="{:.2f}%" dx="8" y="17"><tspan class="took">{}</tspan>'
            '<tspan class="gave" dx="8">{}</tspan></text>'
        ).format(end, took, gave)
    # A space of text, not `dx`: where words are hidden, a shift would draw the rest over the bar.
    before = Markup('<tspan class="gave">{}\u2002</tspan>').format(gave) if gave else ""
    return Markup(
        '<text x="{:.2f}%" dx="-8" y="17" text-anchor="end">{}<tspan class="took">{}</tspan></text>'
    ).format(first, before, took)


def _told(job: RunJob, now: datetime) -> str:
    """The row in words, for readers that do not see it."""
    parts = [f"{job.name}: {job.state}"]
    if job.due_at and job.started_at and job.started_at > job.due_at:
        parts.append(f"waited {span((job.started_at - job.due_at).total_seconds())}")
    if job.attempts:
        last = job.attempts[-1]
        length = span(((last.ended_at or now) - last.started_at).total_seconds())
        parts.append(f"{'ran' if last.ended_at else 'runs for'} {length}")
    return ", ".join(parts)


def shown_counts(counts: Mapping[JobState, int]) -> str:
    """How many are in which state, in words."""
    names = {JobState.UNKNOWN: "not enqueued yet"}
    return ", ".join(f"{many:,} {names.get(state, state)}" for state, many in counts.items())
