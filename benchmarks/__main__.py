"""
`python -m benchmarks`: measure, and write results.json and RESULTS.md.

Rounds are interleaved: in each round, one figure is measured for all systems in turn before the
next figure, and each round starts with another system. So other load on the machine affects all
systems alike.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import figures, machine, report
from benchmarks.catalog import SYSTEMS
from benchmarks.figures import Figure, Results
from benchmarks.measure import Bench, MeasurementError, percentile, scratch
from benchmarks.peers import HERE
from benchmarks.redis_server import running_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.catalog import System
    from benchmarks.measure import Drained

_LEAST_ENQUEUED = 3000
_MOST_JOBS = 100_000
_BACKLOG = 10_000
_MILLION = 1_000_000
_FLOW = 10_000


class Run:
    """One run of the whole comparison, with its results so far."""

    def __init__(self, bench: Bench, options: argparse.Namespace) -> None:
        self._bench = bench
        self._options = options
        self._deadline: float = time.monotonic() + options.minutes * 60
        self.results: Results = {}
        self.versions: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.rounds = 0
        self._jobs: dict[str, dict[int, int]] = {}
        """By system, then by concurrency: the number of jobs in one drain."""

    # ------------------------------------------------------------------ order of the measurements

    def all(self) -> None:
        """Measure everything that was asked for, within the time limit."""
        systems = [system for system in self._chosen() if self._is_available(system)]
        systems = [system for system in systems if self._calibrate(system)]
        for number in range(self._options.rounds):
            started = time.monotonic()
            self._round(number, systems)
            self.rounds += 1
            if 2 * time.monotonic() - started > self._deadline:
                _print(f"time is up: {self.rounds} of {self._options.rounds} rounds")
                break

    def _round(self, number: int, systems: Sequence[System]) -> None:
        first = number % len(systems)
        systems = [*systems[first:], *systems[:first]]
        steps: list[Callable[[System], None]] = [
            self._slow_enqueue_and_drain_10,
            self._bulk_enqueue_and_drain_32,
            lambda system: self._drain_logged(system, 10, figures.DRAIN_10_INFO),
            lambda system: self._drain_logged(system, 32, figures.DRAIN_32_INFO),
            self._round_trips,
            self._pick_up,
            self._backlogs,
            self._features,
            *([] if number else [self._memory]),
        ]
        for step in steps:
            for system in systems:
                if system.name not in self.skipped:
                    self._attempt(system, step)

    def _attempt(self, system: System, step: Callable[[System], None]) -> None:
        try:
            step(system)
        except MeasurementError as error:
            _print(f"  {error}")
            self.skipped.setdefault(f"{system.name}, one measurement", str(error))

    # ------------------------------------------------------------------ before the rounds

    def _chosen(self) -> Sequence[System]:
        wanted = self._options.systems
        unknown = set(wanted or ()) - {system.name for system in SYSTEMS}
        if unknown:
            known = ", ".join(system.name for system in SYSTEMS)
            raise SystemExit(f"no such system: {', '.join(sorted(unknown))}; there are {known}")
        return [system for system in SYSTEMS if not wanted or system.name in wanted]

    def _is_available(self, system: System) -> bool:
        reason = system.prepare()
        try:
            if reason is None:
                self.versions[system.name] = self._bench.version(system)
        except MeasurementError as error:
            reason = str(error)
        if reason is not None:
            self.skipped[system.name] = reason
            _print(f"{system.title}: skipped: {reason}")
        return reason is None

    def _calibrate(self, system: System) -> bool:
        """Find how many jobs a drain of the wanted length takes; this also warms up."""
        seconds = self._options.seconds
        try:
            rates = {10: 0.0, 32: 0.0}
            jobs = 500
            for concurrency in rates:
                while True:
                    self._bench.enqueue(system, jobs, bulk=bool(system.bulk))
                    drained = self._bench.drain(system, jobs=jobs, concurrency=concurrency)
                    if jobs / drained.rate > seconds / 4:
                        break
                    jobs = min(_MOST_JOBS, jobs * 4)
                rates[concurrency] = drained.rate
        except MeasurementError as error:
            self.skipped[system.name] = str(error)
            _print(f"{system.title}: skipped: {error}")
            return False
        self._jobs[system.name] = {
            concurrency: min(_MOST_JOBS, max(system.least_jobs, int(rate * seconds) // 100 * 100))
            for concurrency, rate in rates.items()
        }
        _print(f"{system.title}: {self._jobs[system.name][10]} jobs in a run")
        return True

    # ------------------------------------------------------------------ the steps

    def _slow_enqueue_and_drain_10(self, system: System) -> None:
        jobs = self._jobs[system.name][10]
        enqueued = max(jobs, _LEAST_ENQUEUED)
        rate = self._bench.enqueue(system, enqueued)
        if not system.only_drain:
            self._record(system, figures.ENQUEUE, "jobs/s", rate, enqueued)
        drained = self._bench.drain(system, jobs=jobs, concurrency=10)
        self._record(system, figures.DRAIN_10, "jobs/s", drained.rate, jobs)
        self._record(system, figures.WORKER_CPU_10, "µs", drained.cpu_us, jobs)

    def _bulk_enqueue_and_drain_32(self, system: System) -> None:
        jobs = self._jobs[system.name][32]
        enqueued = max(jobs, _LEAST_ENQUEUED)
        rate = self._bench.enqueue(system, enqueued, bulk=bool(system.bulk))
        if system.bulk and not system.only_drain:
            self._record(system, figures.BULK, "jobs/s", rate, enqueued)
        drained = self._bench.drain(system, jobs=jobs, concurrency=32)
        self._record(system, figures.DRAIN_32, "jobs/s", drained.rate, jobs)
        self._record(system, figures.WORKER_CPU_32, "µs", drained.cpu_us, jobs)
        self._record(system, figures.REDIS_CPU, "µs", drained.redis_cpu_us, jobs)
        self._record(system, figures.REDIS_READS, "reads", drained.redis_reads, jobs)

    def _drain_logged(self, system: System, concurrency: int, figure: str) -> None:
        if not system.job_lines or system.only_drain:
            return
        jobs = max(system.least_jobs, self._jobs[system.name][concurrency] // 2)
        drained = self._enqueue_and_drain(system, jobs, concurrency=concurrency, level="INFO")
        self._record(system, figure, "jobs/s", drained.rate, jobs)
        self._record(system, figures.LOG_LINES, "lines", drained.log_lines, jobs)

    def _round_trips(self, system: System) -> None:
        if system.name in {"ours", "arq"}:
            jobs = max(system.least_jobs, self._jobs[system.name][32] // 2)
            drained = self._enqueue_and_drain(system, jobs, concurrency=32, count_calls=True)
            self._record(system, figures.ROUND_TRIPS, "round trips", drained.calls, jobs)

    def _enqueue_and_drain(self, system: System, jobs: int, **request: object) -> Drained:
        self._bench.enqueue(system, jobs, bulk=bool(system.bulk))
        return self._bench.drain(system, jobs=jobs, **request)

    def _pick_up(self, system: System) -> None:
        if system.name not in {"ours", "arq"}:
            return
        since_return, since_call = self._bench.pick_up(system, self._options.samples)
        samples = len(since_return)
        for figure, times, share in (
            (figures.PICK_UP_MEDIAN, since_return, 0.5),
            (figures.PICK_UP_P99, since_return, 0.99),
            (figures.PICK_UP_CALL_MEDIAN, since_call, 0.5),
            (figures.PICK_UP_CALL_P99, since_call, 0.99),
        ):
            self._record(system, figure, "ms", percentile(times, share), samples)

    def _memory(self, system: System) -> None:
        if system.name not in {"ours", "arq"}:
            return
        self._record(system, figures.MEMORY, "MiB", self._bench.idle_memory_mib(system))
        if system.name == "ours" and "settings.DefaultWorker" not in self.skipped:
            try:
                memory = self._bench.idle_memory_mib(system, "serve-default")
            except (MeasurementError, OSError) as error:
                self.skipped["settings.DefaultWorker"] = str(error)
            else:
                self._record(system, figures.MEMORY_DEFAULT, "MiB", memory)

    def _backlogs(self, system: System) -> None:
        if system.name != "ours":
            return
        for figure, ready, scheduled in (
            (figures.BACKLOG_SMALL, _BACKLOG, 0),
            (figures.BACKLOG_READY, _MILLION, 0),
            (figures.BACKLOG_SCHEDULED, _BACKLOG, _MILLION),
        ):
            self._bench.fill(system, ready=ready, scheduled=scheduled)
            drained = self._bench.drain(system, jobs=_BACKLOG, concurrency=10)
            self._record(system, figure, "jobs/s", drained.rate, _BACKLOG)

    def _features(self, system: System) -> None:
        if figures.FLOW in system.features:
            rate = self._bench.flow(system, _FLOW)
            self._record(system, figures.FLOW, "jobs/s", rate, _FLOW)
        jobs = max(system.least_jobs, self._jobs[system.name][32] // 4)
        for feature in figures.FEATURES:
            if feature in system.features:
                rate = self._bench.enqueue(system, jobs, feature=feature)
                self._record(system, figures.enqueue_of(feature), "jobs/s", rate, jobs)
                drained = self._bench.drain(system, jobs=jobs, concurrency=32, feature=feature)
                self._record(system, figures.drain_of(feature), "jobs/s", drained.rate, jobs)

    def _record(
        self, system: System, figure: str, unit: str, value: float, jobs: int | None = None
    ) -> None:
        found = self.results.setdefault(system.name, {}).setdefault(figure, Figure(unit, jobs=jobs))
        found.runs.append(round(value, 3))
        _print(f"  {system.title}: {figure}: {value:,.2f} {unit}")


def main() -> None:
    """Measure, write the results, and print where they are."""
    options = _options()
    started = time.monotonic()
    with scratch() as directory, running_redis(directory) as server:
        described = machine.describe(server.version)
        run = Run(Bench(server, directory), options)
        run.all()
    described["Load average after"] = machine.load()
    described["Run"] = (
        f"{run.rounds} rounds of about {options.seconds:g} s a drain, "
        f"{(time.monotonic() - started) / 60:.0f} minutes in all"
    )
    whole = not options.quick and not options.systems
    folder = HERE if whole else HERE / ".last"
    if options.output is not None:
        folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    report.write_json(folder / "results.json", run.results)
    text = report.as_markdown(run.results, described, run.versions, run.skipped, quick=not whole)
    (folder / "RESULTS.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    _print(f"written: {folder}/RESULTS.md and results.json")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, help="rounds over all systems (3; quick: 1)")
    parser.add_argument("--seconds", type=float, help="length of one drain (2.5; quick: 1)")
    parser.add_argument(
        "--systems", type=lambda text: text.split(","), default=[], help="such as ours,arq"
    )
    parser.add_argument("--quick", action="store_true", help="short, noisy, written to .last/")
    parser.add_argument(
        "--minutes", type=float, default=14, help="start no round that would exceed this (14)"
    )
    parser.add_argument("--output", type=Path, help="folder to write into")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (1.0 if options.quick else 2.5)
    options.samples = 60 if options.quick else 200
    return options


def _print(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
