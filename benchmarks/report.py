"""Write results as files: raw figures as JSON, tables of medians and ratios as Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks import figures
from benchmarks.catalog import SYSTEMS
from benchmarks.measure import median

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.catalog import System
    from benchmarks.figures import Results

_NONE = "–"
_OPENING = """\
No-op jobs with a channel id and an int as arguments, one worker process, side by side on one
machine and one Redis. Medians; made by `make bench`, raw figures in
[results.json](results.json)."""
_WARNING = "**A quick or partial run: too short to be quoted.**"
_DRAIN = """\
Jobs/s from the start of the first job to that of the last, counted in the job itself. First with
log level WARNING, then with INFO and each system's own lines, written to a file. N is the number of
jobs in one run; with INFO it is half of that. Stock arq starts 100 jobs (160 at 32) and then pauses
for the rest of its half second between two polls: its figure is mostly that pause. "arq, tuned" has
a short pause."""
_ENQUEUE = """\
Jobs/s: 32 tasks (threads for Dramatiq and Sidekiq), each awaiting one job at a time; and with the
system's own bulk call, 1,000 jobs each."""
_PICK_UP = """\
Milliseconds until the coroutine starts, after random pauses of 30 to 120 ms; negative if it starts
before `enqueue` has returned to its caller."""
_BACKLOG = """\
Ours: jobs/s over the first 10,000, concurrency 10. The backlog is written directly into Redis, in
the layout of `enqueue`."""
_FEATURES = """\
Jobs/s: jobs that are each unique by a key of their own, have a priority, stand in one of a hundred
lanes of four at a time, or have a deadline in an hour, enqueued by 32 tasks that await one job at a
time, then drained at 32; and 10,000 jobs in one process with what follows once all of them have
ended, from the first enqueue to the start of that. Of the peers, those that have it and do it best;
lanes and deadlines of BullMQ belong to its commercial edition or are not there."""
_COST = """\
CPU time of the worker process per job, from the first to the last, and the cost per job for Redis
at concurrency 32 under load, including the worker's start and its heartbeats. CPU time and reads
are Redis's own counters. Round trips are counted in the worker where it writes to the socket: one
write, one awaited answer; Redis takes more than one read for a long request."""
_MEMORY = "Resident MiB of an idle worker, 4 seconds after its start."

_PYTHON_PEERS = ("arq", "saq", "streaq", "taskiq", "dramatiq")


@dataclass(frozen=True)
class _Table:
    """
    *columns* are figures with their headings, shown with *places* decimals.

    jobs_of: figures whose number of jobs is shown. bulk: name the system's bulk call.
    features: leave out systems without any.
    """

    columns: Mapping[str, str]
    places: int = 0
    jobs_of: Sequence[str] = ()
    bulk: bool = False
    features: bool = False


_TABLES = (
    (
        "Drain",
        _DRAIN,
        _Table(
            {
                figures.DRAIN_10: "at 10",
                figures.DRAIN_32: "at 32",
                figures.DRAIN_10_INFO: "at 10, INFO",
                figures.DRAIN_32_INFO: "at 32, INFO",
                figures.LOG_LINES: "lines a job",
            },
            jobs_of=(figures.DRAIN_10, figures.DRAIN_32),
        ),
    ),
    (
        "Enqueue",
        _ENQUEUE,
        _Table({figures.ENQUEUE: "one by one", figures.BULK: "in bulk"}, bulk=True),
    ),
    (
        "Idle pick-up",
        _PICK_UP,
        _Table(
            {
                figures.PICK_UP_MEDIAN: "since return: median",
                figures.PICK_UP_P99: "p99",
                figures.PICK_UP_CALL_MEDIAN: "since call: median",
                figures.PICK_UP_CALL_P99: "p99",
            },
            places=2,
        ),
    ),
    (
        "Backlog",
        _BACKLOG,
        _Table(
            {
                figures.BACKLOG_SMALL: "10,000 ready",
                figures.BACKLOG_READY: "1,000,000 ready",
                figures.BACKLOG_SCHEDULED: "10,000 ready, 1,000,000 scheduled",
            }
        ),
    ),
    (
        "Features",
        _FEATURES,
        _Table(
            {
                figures.ENQUEUE: "plain: enqueue",
                figures.DRAIN_32: "drain",
                **{
                    figure: heading
                    for feature in figures.FEATURES
                    for figure, heading in (
                        (figures.enqueue_of(feature), f"{feature}: enqueue"),
                        (figures.drain_of(feature), "drain"),
                    )
                },
                figures.FLOW: "callback",
            },
            features=True,
        ),
    ),
    (
        "What a job costs",
        _COST,
        _Table(
            {
                figures.WORKER_CPU_10: "worker at 10, µs",
                figures.WORKER_CPU_32: "at 32, µs",
                figures.REDIS_CPU: "Redis, µs",
                figures.ROUND_TRIPS: "round trips",
                figures.REDIS_READS: "reads",
            },
            places=2,
        ),
    ),
    (
        "Memory",
        _MEMORY,
        _Table(
            {figures.MEMORY: "one no-op job", figures.MEMORY_DEFAULT: "`settings.DefaultWorker`"},
            places=1,
        ),
    ),
)


def write_json(path: Path, results: Results) -> None:
    """Write `{system: {figure: {unit, runs, median}}}`, with `jobs` if a run has a length."""
    raw = {
        system: {
            name: {
                **{key: value for key, value in asdict(figure).items() if value is not None},
                "median": median(figure.runs),
            }
            for name, figure in by_name.items()
        }
        for system, by_name in results.items()
    }
    path.write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def as_markdown(
    results: Results,
    machine: Mapping[str, str],
    versions: Mapping[str, str],
    skipped: Mapping[str, str],
    *,
    quick: bool,
) -> str:
    """Return the whole page."""
    tables = _Tables(results)
    set_up = [system for system in SYSTEMS if system.name in versions]
    lines = ["# Benchmarks", "", _OPENING, "", *([_WARNING, ""] if quick else [])]
    lines += _section("Targets", "", tables.targets())
    for head, prose, table in _TABLES:
        lines += _section(head, prose, tables.of(table))
    lines += _section(
        "How each is set up",
        "",
        [
            "| system | versions | set up | results |",
            "|---|---|---|---|",
            *(f"| {s.title} | {versions[s.name]} | {s.setup} | {s.results} |" for s in set_up),
        ],
    )
    if skipped:
        reasons = [f"- {name}: {reason}" for name, reason in skipped.items()]
        lines += _section("Skipped or failed", "", reasons)
    rows = [f"| {name} | {value} |" for name, value in machine.items()]
    lines += _section("Machine", "", ["| | |", "|---|---|", *rows])
    return "\n".join(lines)


def _section(head: str, prose: str, body: Iterable[str]) -> list[str]:
    return [f"## {head}", "", *([prose, ""] if prose else []), *body, ""]


class _Tables:
    def __init__(self, results: Results) -> None:
        self._results = results

    def targets(self) -> Iterator[str]:
        """Yield each target with the figures reached."""
        yield "| figure | ours | theirs | ratio | target | |"
        yield "|---|---:|---:|---:|---:|---|"
        for target in figures.RATIOS:
            ours = self._median("ours", target.figure)
            theirs = self._median(target.theirs, target.figure)
            yield _ratio_row(
                f"{target.figure}: over {_title(target.theirs)}", ours, theirs, target.least
            )
        bulk = {name: self._median(name, figures.BULK) for name in _PYTHON_PEERS}
        known = {name: rate for name, rate in bulk.items() if rate is not None}
        best = max(known, key=lambda name: known[name], default="")
        yield _ratio_row(
            f"{figures.BULK}: over the best Python peer{f', {_title(best)}' if best else ''}",
            self._median("ours", figures.BULK),
            known.get(best),
            figures.BULK_OVER_PYTHON,
        )
        for figure in (figures.BACKLOG_READY, figures.BACKLOG_SCHEDULED):
            yield _ratio_row(
                f"{figure}: over 10,000 ready alone",
                self._median("ours", figure),
                self._median("ours", figures.BACKLOG_SMALL),
                figures.BACKLOG_LEAST,
            )
        for limit in figures.LIMITS:
            ours, theirs = (self._median(name, limit.figure) for name in ("ours", "arq"))
            verdict = _NONE if ours is None else "reached" if ours <= limit.most else "**short**"
            yield (
                f"| {limit.figure} | {_number(ours, 2)} | {_number(theirs, 2)} (arq) | "
                f"| ≤ {limit.most:g} {limit.unit} | {verdict} |"
            )

    def of(self, table: _Table) -> Iterator[str]:
        """Yield *table* with a row for each system that has any of its figures."""
        more = (["N at 10, 32"] if table.jobs_of else []) + (["bulk call"] if table.bulk else [])
        yield f"| system | {' | '.join([*table.columns.values(), *more])} |"
        yield f"|---|{'---:|' * len(table.columns)}{'---|' * len(more)}"
        for system in SYSTEMS:
            found = self._results.get(system.name, {})
            if not any(name in found for name in table.columns) or (
                table.features and not system.features
            ):
                continue
            cells = [
                _number(self._median(system.name, name), table.places) for name in table.columns
            ]
            if table.jobs_of:
                cells.append(", ".join(f"{found[n].jobs:,}" for n in table.jobs_of if n in found))
            if table.bulk:
                cells.append(system.bulk or "none")
            yield f"| {system.title} | {' | '.join(cells)} |"

    def _median(self, system: str, name: str) -> float | None:
        figure = self._results.get(system, {}).get(name)
        return None if figure is None else median(figure.runs)


def _ratio_row(name: str, ours: float | None, theirs: float | None, least: float) -> str:
    ratio = None if ours is None or not theirs else ours / theirs
    verdict = _NONE if ratio is None else "reached" if ratio >= least else "**short**"
    numbers = f"{_number(ours, 0)} | {_number(theirs, 0)} | {_number(ratio, 2)}"
    return f"| {name} | {numbers} | ≥ {least:g} | {verdict} |"


def _number(value: float | None, places: int) -> str:
    return _NONE if value is None else f"{value:,.{places}f}"


def _title(name: str) -> str:
    return _system(name).title


def _system(name: str) -> System:
    return next(system for system in SYSTEMS if system.name == name)
