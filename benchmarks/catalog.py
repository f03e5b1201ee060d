"""The compared systems, and how each of them is set up."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks import figures, peers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SYSTEMS = peers.HERE / "systems"


@dataclass(frozen=True)
class System:
    """
    One system: its name on the command line and in the results, and the command of its script.

    bulk: its bulk call, '' if it has none. job_lines: whether it logs each job at INFO.
    results: what remains of a successful job. setup: the chosen configuration.
    prepare: installs it, or returns why it cannot.
    least_jobs: in one drain. variant: passed to the script. environment: extra variables.
    features: what is measured beside plain jobs, where the system is the best peer that has it.
    only_drain: a second way to run a system; its other figures would be the same.
    """

    name: str
    title: str
    command: Sequence[str]
    prepare: Callable[[], str | None]
    bulk: str
    job_lines: bool
    results: str
    setup: str
    least_jobs: int = 200
    variant: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    features: Sequence[str] = ()
    only_drain: bool = False


def _nothing_to_prepare() -> None:
    return None


def _python(script: str, python: str = str(peers.PYTHON)) -> Sequence[str]:
    return (python, str(_SYSTEMS / script))


SYSTEMS = (
    System(
        "ours",
        "ours",
        _python("ours.py", sys.executable),
        _nothing_to_prepare,
        bulk="`enqueue_many`",
        job_lines=True,
        results="kept 1 hour (default)",
        setup="`WorkerSettings` with its defaults: all default middleware, validation, metrics "
        "middleware (no StatsD address, as by default), leases, watchdog, poller, abort checks, "
        "`configure_logging`; uvloop, as `pipeline worker`",
        features=(*figures.FEATURES, figures.FLOW),
    ),
    System(
        "arq",
        "arq",
        _python("with_arq.py", sys.executable),
        _nothing_to_prepare,
        bulk="",
        job_lines=True,
        results="kept 1 hour (default)",
        setup="defaults, arq's log configuration; uvloop; in our own environment, so on the same "
        "redis-py and hiredis as ours",
        # It takes 100 jobs (160 at 32), then pauses for the rest of half a second: with fewer
        # jobs, only its bursts would be measured.
        least_jobs=1000,
    ),
    System(
        "arq-tuned",
        "arq, tuned",
        _python("with_arq.py", sys.executable),
        _nothing_to_prepare,
        bulk="",
        job_lines=True,
        results="kept 1 hour (default)",
        setup="as arq, with `poll_delay=0.01` instead of its default of 0.5 s",
        variant="tuned",
        only_drain=True,
    ),
    System(
        "saq",
        "SAQ",
        _python("with_saq.py"),
        peers.prepare_python,
        bulk="",
        job_lines=True,
        results="kept 10 minutes (default)",
        setup="defaults; uvloop; unique by `key`",
        features=("unique",),
    ),
    System(
        "streaq",
        "streaQ",
        _python("with_streaq.py"),
        peers.prepare_python,
        bulk="`enqueue_many`",
        job_lines=True,
        results="kept 5 minutes (default)",
        setup="defaults; uvloop",
    ),
    System(
        "taskiq",
        "taskiq",
        _python("with_taskiq.py"),
        peers.prepare_python,
        bulk="",
        job_lines=True,
        results="none (default: no result backend)",
        setup="`RedisStreamBroker`; prefetches as many as it runs; uvloop, as its command",
    ),
    System(
        "docket",
        "Docket",
        _python("with_docket.py"),
        peers.prepare_python,
        bulk="",
        job_lines=True,
        results="none (the job returns nothing); state kept 15 minutes (default)",
        setup="defaults; asyncio's own loop, as its command; lanes by `ConcurrencyLimit`",
        features=("lane",),
    ),
    System(
        "ardiq",
        "ArdiQ",
        _python("with_ardiq.py", str(peers.NEWER_PYTHON)),
        peers.prepare_newer_python,
        bulk="`enqueue_many`",
        job_lines=False,
        results="kept 5 minutes (default)",
        setup="defaults; a worker loop in Rust; no line a job at INFO; asyncio's own loop, as its "
        "command; on Python 3.12 or newer, which it needs",
    ),
    System(
        "dramatiq",
        "Dramatiq",
        _python("with_dramatiq.py"),
        peers.prepare_python,
        bulk="`group(…).run()`, which sends one by one",
        job_lines=False,
        results="none (default: no result backend)",
        setup="Redis broker, default middleware; plain functions in threads, its native way; "
        "no line a job at INFO; deadlines by `max_age`",
        features=("deadline",),
    ),
    System(
        "bullmq",
        "BullMQ",
        ("node", str(_SYSTEMS / "with_bullmq.mjs")),
        peers.prepare_node,
        bulk="`addBulk`",
        job_lines=False,
        results="removed (`removeOnComplete`, as its documentation advises)",
        setup="defaults; it writes no log; unique by `deduplication`, `FlowProducer`",
        features=("unique", "priority", figures.FLOW),
        # With fewer jobs, a cold JIT compiler would be measured.
        least_jobs=30_000,
    ),
    System(
        "sidekiq",
        "Sidekiq",
        ("ruby", str(_SYSTEMS / "with_sidekiq.rb")),
        peers.prepare_ruby,
        bulk="`perform_bulk`",
        job_lines=True,
        results="none (it has no results)",
        setup="its own command, `-e production`; threads; deprecation notices of the redis gem off",
    ),
    System(
        "sidekiq-yjit",
        "Sidekiq, YJIT",
        ("ruby", str(_SYSTEMS / "with_sidekiq.rb")),
        peers.prepare_ruby,
        bulk="`perform_bulk`",
        job_lines=True,
        results="none (it has no results)",
        setup="as Sidekiq, on Ruby's compiler (`--yjit`), which Ruby 3.1 calls experimental",
        environment={"RUBYOPT": "--yjit"},
        only_drain=True,
    ),
)
