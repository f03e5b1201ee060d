"""However much jobs hold, a page and an answer of the API stay small: each row has its budget."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runner.broker import keys
from runner.operations.verbs import Role
from runner.web.login import LoginSettings
from tests.visit import OPERATE, visiting_at_once

if TYPE_CHECKING:
    from runner import QueueClient

QUEUE_KEY = keys.ARQ.queue_key("default")
BEARER = {"authorization": f"Bearer {OPERATE}"}
ROWS = 60
MOST_BYTES = 1_000_000


def _nested(depth: int, width: int) -> Any:
    value: Any = "x" * 50
    for _ in range(depth):
        value = [value] * width
    return value


ARGUMENTS = {
    "one long text": ["x" * 200_000],
    "many texts": ["x" * 100] * 2_000,
    "many names": [{f"name{number}": number for number in range(5_000)}],
    "nested lists": [_nested(4, 9)],
    "one name that is long": [{"n" * 300_000: 1}],
}


@pytest.mark.parametrize("kind", ARGUMENTS)
async def test_list_of_large_jobs_is_a_small_page(redis: QueueClient, kind: str) -> None:
    """Sixty dead jobs with a few hundred kilobytes each, and errors as long."""
    body = json.dumps({"t": None, "f": "work", "a": ARGUMENTS[kind], "k": {}, "et": 1})
    entry = json.dumps({"error": "E" * 100_000, "message": body, "traceback": body})
    for number in range(ROWS):
        await redis.set(f"{keys.ARQ.job_prefix}j{number}", body)
        await redis.rpush(f"{keys.ARQ.history_prefix}j{number}", entry)  # type: ignore[misc]  # redis-py's own hints
        await redis.zadd(QUEUE_KEY + keys.DEAD_SUFFIX, {f"j{number}": number})
    login = LoginSettings(tokens={OPERATE: Role.OPERATE})
    async with visiting_at_once(redis, login) as (browser, _):
        for path in (
            "/jobs?state=dead",  # by error: the newest of each
            "/jobs?state=dead&by=each",
            "/api/queues/default/jobs?state=dead",
            "/jobs/default/j1",
        ):
            answer = await browser.get(path, headers=BEARER)
            assert answer.status_code == 200
            assert len(answer.content) < MOST_BYTES, f"{path}: {len(answer.content)}"
            assert ("j59" if path == "/jobs?state=dead" else "j1") in answer.text
