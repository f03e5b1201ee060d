"""The JSON API and the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from runner.operations.verbs import Role
from runner.web.login import LoginSettings
from tests.api_document import ApiDocument
from tests.browser.site import OPERATE, VIEW, Gate, Site, hostile, notify, sync_channel

if TYPE_CHECKING:
    from collections.abc import Iterator


ODD_BODIES = (
    b"",
    b"[]",
    b"{}",
    b'{"action": "explode"}',
    b'{"action": "run", "more": 1}',
    b'{"action": "reschedule"}',
    b'{"action": "reschedule", "at": 1900000000}',
    b'{"action": "reschedule", "at": "soon"}',
    b'{"action": "reschedule", "at": "0001-01-01T00:00+23:00"}',
    b'{"action": "move", "to": ["analytics"]}',
    b'{"action": "move", "to": "nowhere"}',
)


@pytest.fixture
def site(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Serve the pages, with tokens."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    login = LoginSettings(tokens={OPERATE: Role.OPERATE, VIEW: Role.VIEW})
    with Site(redis_url, login).running() as one:
        yield one
    structlog.reset_defaults()


@pytest.fixture
def api(site: Site) -> Iterator[httpx.Client]:
    """Give a client with a token to operate."""
    headers = {"authorization": f"Bearer {OPERATE}"}
    with httpx.Client(base_url=site.url, headers=headers, timeout=20) as client:
        yield client


def _until(api: httpx.Client, path: str, fits: Any) -> Any:
    for _ in range(400):
        found = api.get(path).json()
        if fits(found):
            return found
    raise AssertionError(found)


def test_job_is_followed_retried_and_explained(site: Site, api: httpx.Client) -> None:
    """A program finds a dead job, its reason, and runs it again."""
    handle = site.do(notify.enqueue("UC1", api_token="s3cret-s3cret"))  # noqa: S106
    path = f"/api/jobs/{handle.id}"
    dead = _until(api, path, lambda found: found.get("state") == "dead")
    assert dead["arguments"] == {"channel_id": "UC1", "api_token": "[redacted]"}
    assert [attempt["error"] for attempt in dead["attempts"]] == ["ConnectionError"] * 2
    assert api.get(f"/api/why/{handle.id}").json()["cause"] == "dead"
    page = api.get("/api/queues/default/jobs", params={"state": "dead", "text": "UC1"}).json()
    assert [row["job_id"] for row in page["rows"]] == [handle.id]
    Gate.failing = False
    act = f"/api/queues/default/jobs/{handle.id}"
    again = api.post(act, json={"action": "run"}).json()
    assert again == {"found": "dead", "done": True, "job_id": handle.id}
    done = _until(api, path, lambda found: found["state"] == "done")
    assert done["result"] == "notified in attempt 1"
    gone = api.post(act, json={"action": "run"}).json()
    assert gone == {"found": "gone", "done": False, "job_id": handle.id}


def test_all_that_match_are_moved(site: Site, api: httpx.Client) -> None:
    """The API shows how far it has come, and the audit log has an entry."""
    for number in range(5):
        site.do(hostile.options(queue="default", delay_s=600).enqueue(f"UC{number}"))
    started = api.post(
        "/api/queues/default/jobs",
        params={"state": "scheduled"},
        json={"action": "move", "to": "analytics"},
    ).json()
    over = _until(api, f"/api/bulk/{started['bulk_id']}", lambda found: found["is_over"])
    assert (over["total"], over["acted"]) == (5, 5)
    assert api.get("/api/queues/analytics").json()["scheduled"] == 5
    assert api.get("/api/audit").json()["entries"][0]["who"] == "token (operate)"


def test_move_to_workers_that_do_not_know_the_jobs_is_refused(
    site: Site, api: httpx.Client
) -> None:
    """One job or all that match: with the pages' sentence, and nothing is moved."""
    handle = site.do(sync_channel.options(delay_s=600).enqueue("UC1"))
    for path in (
        f"/api/queues/default/jobs/{handle.id}",
        "/api/queues/default/jobs?state=scheduled",
    ):
        refused = api.post(path, json={"action": "move", "to": "analytics"})
        assert refused.status_code == 400
        assert "workers of analytics do not know sync_channel; those of default do" in refused.text
    assert api.get("/api/queues/default").json()["scheduled"] == 1


def test_program_that_may_look_may_change_nothing(site: Site) -> None:
    """A program without a token may not even look."""
    look = {"authorization": f"Bearer {VIEW}"}
    with httpx.Client(base_url=site.url) as client:
        assert client.get("/api/queues", headers=look).status_code == 200
        assert client.post("/api/queues/default/pause", headers=look).status_code == 403
        assert client.get("/api/queues").status_code == 401
        assert client.get("/metrics").status_code == 401


def test_metrics_are_what_prometheus_reads(site: Site, api: httpx.Client) -> None:
    """Queues and workers as gauges, attempts as counters and histograms."""
    Gate.failing = False
    for _ in range(3):
        site.do(notify.enqueue("UC1"))

    def attempts() -> dict[str, float]:
        families = text_string_to_metric_families(api.get("/metrics").text)
        return {
            sample.labels["ending"]: sample.value
            for family in families
            if family.name == "pipeline_attempts"
            for sample in family.samples
            if sample.labels["job"] == "notify"
        }

    for _ in range(400):
        if attempts().get("done") == 3:
            break
    assert attempts() == {"done": 3, "failed": 0}
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(api.get("/metrics").text)
        for sample in family.samples
    }
    assert samples["pipeline_workers", "default"] == 1
    assert samples["pipeline_attempt_seconds_count", "default", "notify"] == 3
    assert samples["pipeline_attempt_seconds_bucket", "+Inf", "default", "notify"] == 3


def test_schedule_is_paused_and_resumed(api: httpx.Client) -> None:
    """As on its page; an unknown schedule is answered with 404."""
    assert api.post("/api/schedules/digest/pause").json() == {"done": True}
    paused = {one["name"]: one["paused"] for one in api.get("/api/schedules").json()}
    assert paused["digest"]["by"] == "token (operate)"
    assert paused["nightly-sync"] is None
    assert api.post("/api/schedules/digest/resume").json() == {"done": True}
    assert {one["paused"] for one in api.get("/api/schedules").json()} == {None}
    entries = api.get("/api/audit").json()["entries"]
    assert [one["action"] for one in entries] == ["resume schedule", "pause schedule"]
    for action in ("run", "pause", "resume"):
        assert api.post(f"/api/schedules/none/{action}").status_code == 404


def test_jobs_of_one_name_are_paused_and_resumed(api: httpx.Client) -> None:
    """The queue's answer and its metrics name them meanwhile."""
    assert api.post("/api/queues/default/names/notify/pause").json() == {"done": True}
    [paused] = api.get("/api/queues/default").json()["paused_jobs"]
    assert (paused["name"], paused["by"]) == ("notify", "token (operate)")
    assert 'pipeline_job_paused{job="notify",queue="default"} 1.0' in api.get("/metrics").text
    assert api.post("/api/queues/default/names/notify/resume").json() == {"done": True}
    assert api.get("/api/queues/default").json()["paused_jobs"] == []
    assert api.post("/api/queues/none/names/notify/pause").status_code == 404


def test_every_field_of_the_document_is_described(site: Site) -> None:
    """Of answers, bodies and parameters alike."""
    assert list(ApiDocument(site.url, OPERATE).undescribed()) == []


def test_answers_about_jobs_have_exactly_the_fields_of_the_document(
    site: Site, api: httpx.Client
) -> None:
    """Jobs that run, are dead, done and scheduled; their lists, workers and metrics."""
    document = ApiDocument(site.url, OPERATE)
    dead = site.do(notify.enqueue("UC1")).id
    _until(api, f"/api/jobs/{dead}", lambda found: found.get("state") == "dead")
    Gate.failing = False
    done = site.do(notify.enqueue("UC1")).id
    _until(api, f"/api/jobs/{done}", lambda found: found.get("state") == "done")
    running = site.do(sync_channel.enqueue("UC1")).id
    later = site.do(sync_channel.options(delay_s=600).enqueue("UC2")).id
    _until(api, f"/api/jobs/{running}", lambda found: found.get("running"))
    for one in (dead, done, running, later, "none"):
        document.check(api.get(f"/api/jobs/{one}"), "/api/jobs/{job_id}")
        document.check(api.get(f"/api/why/{one}"), "/api/why/{job_id}")
    for state in ("ready", "scheduled", "retrying", "running", "dead", "odd"):
        listed = api.get("/api/queues/default/jobs", params={"state": state})
        document.check(listed, "/api/queues/{queue}/jobs")
    assert api.post("/api/queues/default/pause").json() == {"done": True}
    act = api.post(f"/api/queues/default/jobs/{later}", json={"action": "delete"})
    document.check(act, "/api/queues/{queue}/jobs/{job_id}")
    bulk = api.post("/api/queues/default/jobs", json={"action": "delete"})
    document.check(bulk, "/api/queues/{queue}/jobs")
    for path in ("queues", "processes", "schedules", "metrics", "redis", "audit"):
        answer = api.get(f"/api/{path}")
        assert answer.json()
        document.check(answer, f"/api/{path}")
    depths = api.get("/api/queues/default/depth")
    document.check(depths, "/api/queues/{queue}/depth")


def test_body_that_fits_no_action_is_refused_with_a_reason(api: httpx.Client) -> None:
    """In one line; nothing is done."""
    for path in ("/api/queues/default/jobs/x", "/api/queues/default/jobs"):
        for body in ODD_BODIES:
            answer = api.post(path, content=body)
            assert answer.status_code == 400, body
            assert "\n" not in answer.json()["error"]
    assert api.get("/api/audit").json()["entries"] == []


@pytest.mark.timeout(300)
def test_api_keeps_to_its_document(site: Site) -> None:
    """Whatever is sent, the server does not fail, and its answers fit the document."""
    site.do(notify.enqueue("UC1"))
    site.do(sync_channel.options(delay_s=600, job_id="later").enqueue("UC1"))
    names = ApiDocument(site.url, OPERATE).check_all()
    assert "POST /api/queues/{queue}/pause" in names
    assert len(names) > 15
