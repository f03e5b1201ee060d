"""`/metrics` for Prometheus: queues, workers and jobs, read from Redis at each scrape."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import CollectorRegistry
from starlette.responses import Response
from starlette.routing import Route

from runner.broker import keys
from runner.broker.reading import Reader, count_of, hashes
from runner.broker.servers import answering, is_away
from runner.operations.processes import processes
from runner.operations.queues import queues
from runner.operations.redis_info import store
from runner.worker.counts import BOUNDS_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.metrics_core import Metric
    from redis.asyncio import Redis
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from runner.operations.processes import Process
    from runner.operations.queues import Queue
    from runner.operations.redis_info import Store
    from runner.web.dashboard import Dashboard

_MOST_TOTALS = 200_000
"""Fields: of four thousand jobs."""

_STATES = ("ready", "running", "scheduled", "retrying", "waiting", "dead")
Totals = dict[tuple[str, str], dict[str, int]]
"""Counts of each queue and job, by field."""


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The route of the metrics."""

    async def scrape(request: Request) -> Response:
        redis, names = dashboard.redis, dashboard.queues
        counted, working, server, counts = await asyncio.gather(
            queues(redis, names),
            processes(redis, names),
            _store(redis),
            asyncio.gather(*map(_totals, answering(redis))),
        )
        found = [
            *_of_queues(counted),
            *_of_processes(working),
            *_of_jobs({job: fields for totals in counts for job, fields in totals.items()}),
            *(() if server is None else _of_redis(server)),
        ]
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Found(found))
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": kind})

    return [Route("/metrics", scrape)]


async def _store(redis: Redis) -> Store | None:
    return None if is_away(redis) else await store(redis)


async def _totals(redis: Redis) -> Totals:
    [found] = await hashes(redis, [keys.of(redis).metrics_total], most=_MOST_TOTALS)
    return read_totals(Reader().known(found, {}))


class _Found:
    """The metrics of one scrape, in the form that a registry takes."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield them all."""
        yield from self._metrics


def read_totals(fields: dict[bytes, bytes]) -> Totals:
    """Read the counts of all time, as workers have added them up in Redis."""
    totals: Totals = {}
    for name, value in fields.items():
        head, _, field = name.decode("utf-8", "replace").rpartition("|")
        queue, _, job = head.partition("|")
        count = count_of(value)
        if count is not None:
            totals.setdefault((queue, job), {})[field] = count
    return totals


def _of_queues(counted: Sequence[Queue]) -> list[Metric]:
    jobs = GaugeMetricFamily(
        "pipeline_jobs", "Jobs in a queue, by state", labels=["queue", "state"]
    )
    wait = GaugeMetricFamily(
        "pipeline_oldest_wait_seconds", "Time since the oldest ready job came due", labels=["queue"]
    )
    paused = GaugeMetricFamily(
        "pipeline_queue_paused", "1 while the queue is paused", labels=["queue"]
    )
    of_jobs = GaugeMetricFamily(
        "pipeline_job_paused", "1 while jobs of the name are paused", labels=["queue", "job"]
    )
    workers = GaugeMetricFamily("pipeline_workers", "Live workers", labels=["queue"])
    for one in counted:
        for state in _STATES:
            if (count := getattr(one, state)) is not None:
                jobs.add_metric([one.name, state], count)
        wait.add_metric([one.name], one.oldest_wait_s)
        paused.add_metric([one.name], float(one.paused is not None))
        for name in one.paused_jobs:
            of_jobs.add_metric([one.name, name.name], 1.0)
        if one.workers is not None:
            workers.add_metric([one.name], one.workers)
    return [jobs, wait, paused, of_jobs, workers]


def _of_processes(working: Sequence[Process]) -> list[Metric]:
    slots = GaugeMetricFamily(
        "pipeline_slots", "Jobs that a process runs at most", labels=["process"]
    )
    busy = GaugeMetricFamily("pipeline_busy", "Jobs that a process runs", labels=["process"])
    rss = GaugeMetricFamily("pipeline_process_memory_bytes", "Resident memory", labels=["process"])
    lag = GaugeMetricFamily("pipeline_loop_lag_seconds", "Event loop lag", labels=["process"])
    for process in working:
        slots.add_metric([process.name], process.slots)
        busy.add_metric([process.name], process.busy)
        rss.add_metric([process.name], process.rss)
        lag.add_metric([process.name], process.lag_ms / 1000)
    return [slots, busy, rss, lag]


def _of_jobs(totals: Totals) -> list[Metric]:
    ended = CounterMetricFamily(
        "pipeline_attempts", "Finished attempts", labels=["queue", "job", "ending"]
    )
    waited = CounterMetricFamily(
        "pipeline_wait_seconds", "Sum of the times from due to started", labels=["queue", "job"]
    )
    lasted = HistogramMetricFamily(
        "pipeline_attempt_seconds", "How long attempts ran", labels=["queue", "job"]
    )
    expired = CounterMetricFamily(
        "pipeline_expired",
        "Jobs that were not started, since it was too late",
        labels=["queue", "job"],
    )
    duplicates = CounterMetricFamily(
        "pipeline_duplicates",
        "Calls that added no job, since another one had the unique key",
        labels=["queue", "job"],
    )
    at_limit = CounterMetricFamily(
        "pipeline_lane_full",
        "Jobs that were skipped or dropped, since their lane had no place",
        labels=["queue", "job", "how"],
    )
    for (queue, job), counts in sorted(totals.items()):
        for how in {"skipped", "dropped"} & counts.keys():
            at_limit.add_metric([queue, job, how], counts[how])
        if "x" in counts:
            expired.add_metric([queue, job], counts["x"])
        if "duplicates" in counts:
            duplicates.add_metric([queue, job], counts["duplicates"])
        ended.add_metric([queue, job, "done"], counts.get("n", 0))
        ended.add_metric([queue, job, "failed"], counts.get("f", 0))
        waited.add_metric([queue, job], counts.get("w", 0) / 1000)
        lasted.add_metric([queue, job], _buckets(counts), counts.get("ms", 0) / 1000)
    return [ended, waited, lasted, expired, duplicates, at_limit]


def _buckets(counts: dict[str, int]) -> list[tuple[str, float]]:
    """Prometheus adds to each bucket all that are below it."""
    below, found = 0, []
    for place, bound in enumerate(BOUNDS_MS):
        below += counts.get(str(place), 0)
        found.append((str(bound / 1000), float(below)))
    found.append(("+Inf", float(below + counts.get(str(len(BOUNDS_MS)), 0))))
    return found


def _of_redis(server: Store) -> list[Metric]:
    return [
        GaugeMetricFamily(
            "pipeline_redis_memory_bytes", "Memory that Redis uses", value=server.memory
        ),
        GaugeMetricFamily(
            "pipeline_redis_risks", "Ways in which Redis may lose jobs", value=len(server.risks)
        ),
        GaugeMetricFamily(
            "pipeline_redis_set_aside",
            "Keys that held what is not ours, and were set aside",
            value=server.set_aside,
        ),
    ]
