"""Other languages may write what docs/reference-envelope.md says, and read what it shows."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic_core import from_json, to_json

from runner import Context, job
from runner.broker import keys
from tests.runner_kit import at_rest, eventually, working

if TYPE_CHECKING:
    from runner import QueueClient

pytestmark = pytest.mark.usefixtures("redis")

PAGE = (Path(__file__).parents[2] / "docs" / "reference-envelope.md").read_text(encoding="utf-8")
FOR_EVER_S = 86_400.0
"""Without the recipe's wake token, no test here would end."""

ID = "0b0f3cd0a6f44e37a3c8f6f4f7f3b1de"


@job(queue="default", max_retries=0, keep_result_s=60)
async def divide(_: Context, number: int) -> float:
    """Fail when *by* is 0."""
    return 12 / number


async def _enqueue_as_documented(redis: QueueClient, number: int) -> None:
    """Send the commands of the page, as a client that knows nothing else."""
    (recipe,) = re.findall(r"^```text\n(MULTI.*?EXEC)\n```", PAGE, re.MULTILINE | re.DOTALL)
    now_ms = time.time_ns() // 1_000_000
    body = to_json({"f": "divide", "a": [], "k": {"number": number}, "et": now_ms})
    given: dict[str, str | bytes] = {"ID": ID, "BODY": body, "DUE": str(now_ms)}
    async with redis.pipeline(transaction=True) as pipe:
        for line in recipe.splitlines()[1:-1]:
            words = [word.replace("ID", ID) for word in line.split()]
            pipe.execute_command(*(given.get(word, word) for word in words))
        await pipe.execute()


async def test_job_written_as_documented_starts_at_once(redis_url: str, redis: QueueClient) -> None:
    """Another language needs no client of ours, and reads the result where the page says."""
    async with working(redis_url, divide, idle_poll_s=FOR_EVER_S) as one:
        await at_rest(one)
        await _enqueue_as_documented(redis, 3)
        result = await eventually(lambda: redis.get(keys.ARQ.result_prefix + ID))

    assert result is not None
    assert from_json(result)["r"] == 4.0
    assert set(from_json(result)) == set(_shown("result")[0])


async def test_failed_job_leaves_what_the_page_shows(redis_url: str, redis: QueueClient) -> None:
    """Its result, its history and the worker's entry have the keys of the examples."""
    async with working(redis_url, divide, idle_poll_s=FOR_EVER_S) as one:
        await at_rest(one)
        await _enqueue_as_documented(redis, 0)
        result = await eventually(lambda: redis.get(keys.ARQ.result_prefix + ID))
        entry = await redis.get(keys.ARQ.worker_prefix + one.id)
    (attempt,) = await redis.lrange(keys.ARQ.history_prefix + ID, 0, -1)  # type: ignore[misc]

    assert result is not None
    assert entry is not None
    assert from_json(result)["r"].keys() == _shown("result")[-1]["r"].keys()
    assert set(from_json(attempt)) | {"log"} == set(_shown("history")[0])
    assert set(from_json(entry)) == set(_shown("worker")[0])


def _shown(kind: str) -> list[dict[str, dict[str, object]]]:
    found = re.findall(rf"^```json {kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [from_json(text) for text in found]
