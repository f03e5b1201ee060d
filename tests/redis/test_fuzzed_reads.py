"""Whatever bytes Redis holds, what an operator opens returns something: no read trusts them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runner import JobState
from runner.broker import keys
from runner.client import connect
from runner.operations.catalog import Catalog
from runner.operations.job import job as look_at
from runner.operations.jobs import list_jobs
from runner.operations.processes import processes
from runner.operations.queues import queues
from runner.operations.search import Filter
from runner.operations.why import why
from runner.states import LISTED

if TYPE_CHECKING:
    from runner import QueueClient

QUEUE = "default"
KEY = keys.ARQ.queue_key(QUEUE)
CATALOG = Catalog()

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
_JOB = ["t", "f", "a", "k", "et", "s", "r", "st", "ft", "q", "w", "log", "error", "message"]
_WORKER = ["id", "queue", "host", "pid", "running", "started_at", "beat_ms", "slots", "jobs"]
_MORE = ["progress", "started_ms", "failed_ms", "lag_ms", "rss", "attempt", "by", "at_ms"]
_fields = st.sampled_from([*_JOB, *_WORKER, *_MORE])
_documents = st.dictionaries(_fields, _json, max_size=8).map(lambda one: json.dumps(one).encode())
_bytes = st.binary(max_size=24) | _json.map(lambda one: json.dumps(one).encode()) | _documents
_ids = st.binary(min_size=1, max_size=8) | st.text(min_size=1, max_size=6).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)
_times = st.sampled_from([0.0, 1.0, 1_800_000_000_000.0, 9e15, -5.0])


@dataclass(frozen=True, slots=True)
class Stored:
    """What Redis holds for one job, one worker and one queue."""

    job_id: bytes
    body: bytes
    entries: list[bytes]
    result: bytes | None
    worker: bytes
    note: bytes
    due: float
    state: JobState


_anything = st.builds(
    Stored,
    job_id=_ids,
    body=_bytes,
    entries=st.lists(_bytes, max_size=3),
    result=st.none() | _bytes,
    worker=_bytes,
    note=_bytes,
    due=_times,
    state=st.sampled_from(LISTED),
)
_ODD = b'{"f": 1, "a": 2, "k": [], "et": "x"}'


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(_anything)
@example(Stored(b"\xff", b"null", [b"[]"], b"[1]", b"{}", b"1", 9e15, JobState.DEAD))
@example(Stored(b"y", b"", [], b'{"f": [1], "s": 1}', b"", b"", 0.0, JobState.DONE))
@example(Stored(b"x", _ODD, [b"3"], b'{"q": 1}', b"[]", b"{}", 0.0, JobState.READY))
def test_reads_never_fail_whatever_redis_holds(redis_url: str, standing: Stored) -> None:
    """Lists, a job's page, its explanation, queues and processes return a view, never an error."""

    async def look() -> None:
        redis = connect(redis_url)
        try:
            await redis.flushdb()
            await _place(redis, standing)
            await _read_everything(redis, standing.job_id)
        finally:
            await redis.aclose()

    asyncio.run(look())


async def _place(redis: QueueClient, one: Stored) -> None:
    async with redis.pipeline(transaction=True) as pipe:
        pipe.set(keys.ARQ.job_prefix.encode() + one.job_id, one.body)
        if one.entries:
            pipe.rpush(keys.ARQ.history_prefix.encode() + one.job_id, *one.entries)  # type: ignore[arg-type]
        if one.result is not None:
            pipe.set(keys.ARQ.result_prefix.encode() + one.job_id, one.result)
        pipe.set(keys.ARQ.retry_prefix.encode() + one.job_id, one.note)
        pipe.hset(KEY + keys.CRASHES_SUFFIX, one.job_id, one.note)  # type: ignore[arg-type]
        if one.state is JobState.DEAD:
            pipe.zadd(KEY + keys.DEAD_SUFFIX, {one.job_id: one.due})
        elif one.state is JobState.DONE:
            pipe.delete(keys.ARQ.job_prefix.encode() + one.job_id)
            pipe.zadd(KEY + keys.DONE_SUFFIX, {one.job_id: one.due})
        else:
            pipe.zadd(KEY, {one.job_id: one.due})
        if one.state is JobState.RUNNING:
            pipe.hset(KEY + keys.RUNNING_SUFFIX, one.job_id, one.note)  # type: ignore[arg-type]
        if one.state is JobState.RETRYING:
            pipe.zadd(KEY + keys.RETRYING_SUFFIX, {one.job_id: one.due})
        pipe.set(KEY + keys.PAUSED_SUFFIX, one.note)
        pipe.zadd(KEY + keys.WORKERS_SUFFIX, {"w": 1.0})
        pipe.set(keys.ARQ.worker_prefix + "w", one.worker)
        await pipe.execute()


async def _read_everything(redis: QueueClient, job_id: bytes) -> None:
    for state in LISTED:
        for where in (Filter(), Filter(text="a"), Filter(error="a"), Filter(job_id="a")):
            page = await list_jobs(redis, QUEUE, state, CATALOG, where=where)
            _shown(page)
    shown_id = job_id.decode("utf-8", "backslashreplace")
    _shown(await look_at(redis, QUEUE, shown_id, CATALOG))
    _shown(await why(redis, [QUEUE], shown_id, CATALOG))
    _shown(await queues(redis, [QUEUE]))
    _shown(await processes(redis, [QUEUE]))


def _shown(found: Any) -> None:
    """Convert a view to JSON, as commands do."""
    from runner.commands.output import as_document

    assert as_document(found)
