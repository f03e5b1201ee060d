"""Whatever stands in Redis, every page and every route of the API answers, in a sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runner.operations.verbs import Role
from runner.states import LISTED
from runner.web.login import LoginSettings
from tests import hostile
from tests.redis.asked_keys import asked_keys, asks_for
from tests.redis.standing import JOBS, SCHEDULE
from tests.visit import OPERATE, USERS, visiting_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from starlette.routing import Route

    from runner import QueueClient
    from tests.redis.standing import Snapshot

LOGIN = LoginSettings(users=USERS, tokens={OPERATE: Role.OPERATE})
BEARER = {"authorization": f"Bearer {OPERATE}"}
MOST_BYTES = 2_000_000
_asked: list[tuple[tuple[str, str, dict[str, Any] | None], set[bytes]]] = []
"""What one may ask, each with the words that Redis hears then; learned once."""

_NOT_OF_REDIS = ("/live", "/static", "/all", "/api/openapi.json")
_BODIES: dict[str, dict[str, Any]] = {
    "/api/queues/{queue}/jobs/{job_id:path}": {"action": "run"},
    "/api/queues/{queue}/jobs": {"action": "run"},
    "/api/queues/{queue}/lanes/{lane:path}": {"limit": 2},
}


def _paths(route: Route, snapshot: Snapshot) -> list[str]:
    """The paths of *route* that there are, each with what it may be asked."""
    if "{job_id" in route.path:
        found = [route.path.replace("{job_id:path}", one) for one in snapshot.jobs]
    else:
        found = [route.path]
    name = "nightly" if "schedules" in route.path else "work"
    if "processes" in route.path or "workers" in route.path:
        name = ":".join(snapshot.worker_id.split(":")[:2])
    fixed = {
        "{queue}": "default",
        "{queue:path}": "default",
        "{bulk_id}": snapshot.bulk_id,
        "{batch_id}": snapshot.batch_id,
        "{batch_id:path}": snapshot.batch_id,
        "{verb}": "retry-dead",
        "{name}": name,
        "{name:path}": name,
        "{order}": "quiet",
        "{lane:path}": "work:1",
        "{job:path}": "work",
    }
    for part, value in fixed.items():
        found = [one.replace(part, value) for one in found]
    assert not any("{" in one for one in found), found
    if route.path in {"/api/queues/{queue}/jobs", "/queues/{queue:path}"}:
        found = [f"{one}?state={state}" for one in found for state in LISTED]
        found += [f"{one}&{ask}" for one in found[:1] for ask in ("text=a", "error=a", "id=a")]
    return found


async def _problem(browser: httpx.AsyncClient, method: str, path: str, **sent: Any) -> str:
    answer = await browser.request(method, path, **sent)
    text, status = answer.text, answer.status_code
    if status == 503 and "doctor --repair" in text:
        return ""
    if status >= 500 or "does not answer" in text:
        return f"{method} {path}: {status}, {text[-300:]}"
    if len(text) > MOST_BYTES:
        return f"{method} {path}: {len(text)} characters"
    if path.startswith("/api/"):
        json.loads(text, parse_constant=_refuse)
    return ""


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


@pytest.mark.parametrize("pattern", hostile.PATTERNS)
async def test_pages_and_api_answer_beside_what_is_not_ours(
    redis: QueueClient, redis_url: str, snapshot: Snapshot, pattern: str
) -> None:
    """Whatever the key of one job, worker, batch or session holds, or the one that all share."""
    victims = snapshot.keys_of(pattern)
    assert victims
    fields = (
        b"default|work|n",
        snapshot.jobs[0].encode(),
        b"acted",
        b"nightly",
        b"default|nightly",
    )
    problems: list[str] = []
    if not _asked:
        _asked.extend(await _learned(redis, redis_url, snapshot))
    asked = [one for one, words in _asked if asks_for(words, victims[:3])]
    async with visiting_at_once(redis, LOGIN, JOBS, SCHEDULE) as (browser, _):
        for state in hostile.states(hostile.type_of(pattern)):
            await snapshot.restore(redis)
            for victim in victims[:3]:
                await state.put(redis, victim, fields)
            own = [("GET", path, None) for path in ("/sessions", "/")]
            for by, some in (({"cookie": snapshot.cookie}, own), (BEARER, asked)):
                for method, path, body in some:
                    found = await _problem(browser, method, path, headers=by, json=body)
                    problems += [f"{state.name}: {found}"] if found else []
    assert not problems


async def _learned(
    redis: QueueClient, url: str, snapshot: Snapshot
) -> list[tuple[tuple[str, str, dict[str, Any] | None], set[bytes]]]:
    """Ask everything beside what is well, each anew, and note what Redis hears."""
    async with visiting_at_once(redis, LOGIN, JOBS, SCHEDULE) as (_, routes):
        requests = list(_requests(routes, snapshot))
    found = []
    for method, path, body in requests:
        await snapshot.restore(redis)
        async with visiting_at_once(redis, LOGIN, JOBS, SCHEDULE) as (browser, _):
            with asked_keys(url) as words:
                assert not await _problem(browser, method, path, headers=BEARER, json=body)
        found.append(((method, path, body), words))
    return found


def _requests(
    routes: list[Route], snapshot: Snapshot
) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    """All that one may ask: what only looks first, then what acts."""
    for route in routes:
        if "GET" in (route.methods or ()) and not route.path.startswith(_NOT_OF_REDIS):
            for path in _paths(route, snapshot):
                yield "GET", path, None
    for route in routes:
        if "POST" in (route.methods or ()) and route.path.startswith("/api/"):
            for path in _paths(route, snapshot):
                yield "POST", path, _BODIES.get(route.path)
