"""The operator's commands do on a real Redis what they say, and report what they did."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobs import notify, sync_channel
from runner import Batch, Bury, Context, job
from runner.admin import Admin
from runner.broker import keys
from runner.client import connect
from runner.commands.run_command import run_command
from runner.configuration import use_config_file
from runner.current import current_client, use
from runner.errors import JobFailedError
from runner.operations.audit import entries
from runner.program import cli
from runner.web.sessions import Login, SessionLimits, Sessions
from settings import app
from tests.runner_kit import soon, working
from tests.visit import SECRET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from runner import QueueClient

HOSTILE = "\x1b[31mred\x1b[0m"


class Terminal:
    """Runs commands as a person would; each returns its status, its output and its errors."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = url
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Run `pipeline WORDS…`."""
        status = run_command(cli, words, expected=app.expected_errors)
        captured = self._capsys.readouterr()
        return status, captured.out, captured.err

    def json(self, *words: str) -> Any:
        """Run it with `-o json`, and read what it prints."""
        status, out, err = self(*words, "-o", "json")
        assert status == 0, err
        return json.loads(out)

    def meanwhile(self, work: Callable[[QueueClient], Awaitable[Any]]) -> Any:
        """Do *work* with Redis, beside the commands."""

        async def run() -> Any:
            client = connect(self._url)
            use(client)
            try:
                return await work(client)
            finally:
                await client.aclose()

        return asyncio.run(run())

    def let_die(self, job_id: str) -> None:
        """Let a worker run a job of this id that fails for good."""

        async def work(_: QueueClient) -> None:
            handle = await doomed.options(job_id=job_id).enqueue(channel_id=HOSTILE)
            async with working(self._url, doomed):
                with pytest.raises(JobFailedError):
                    await soon(handle.result())

        self.meanwhile(work)
        self._capsys.readouterr()  # the worker's log


@job(queue="default")
async def doomed(ctx: Context, channel_id: str) -> None:  # noqa: ARG001 -- it is only shown
    """Fail for good."""
    raise Bury(HOSTILE)


@pytest.fixture
def pipeline(
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Terminal]:
    """Return a terminal whose commands use an empty Redis."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path))
    use_config_file(None)
    yield Terminal(redis_url, capsys)
    use_config_file(None)


def test_enqueued_job_is_listed_shown_and_explained(pipeline: Terminal) -> None:
    """A job that is due in ten minutes is shown with its arguments, and explained."""
    status, out, _ = pipeline(
        "enqueue", "sync_channel", "--arg", "channel_id=UC1", "--in", "10m", "--id", "mine"
    )
    assert (status, out) == (0, "mine\n")

    (row,) = pipeline.json("jobs", "list")
    assert (row["job_id"], row["state"], row["arguments"]) == (
        "mine",
        "scheduled",
        {"channel_id": "UC1"},
    )
    shown = pipeline.json("jobs", "show", "mine")
    assert shown["job"]["name"] == "sync_channel"
    assert "not due until" in shown["why"]
    _, out, _ = pipeline("why", "mine")
    assert out.startswith("It is not due until ")
    assert pipeline.json("why", "mine")["cause"] == "not due"
    _, out, _ = pipeline("jobs", "show", "mine")
    assert 'channel_id="UC1"' in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("sync_chanel",), "there is no job 'sync_chanel'; did you mean sync_channel?"),
        (("sync_channel", "--arg", "channel=1"), "Missing required argument"),
        (("sync_channel", "--arg", "channel"), "write NAME=VALUE"),
        (("sync_channel", "--in", "soon"), "'soon' is not a time: write 90s, 10m, 2h, 1d"),
        (("sync_channel", "--in", "2030-01-01T00:00"), "needs its zone"),
    ],
)
def test_wrong_enqueue_is_one_line(
    pipeline: Terminal, words: tuple[str, ...], expected: str
) -> None:
    """Arguments that do not fit are refused, and nothing is enqueued."""
    status, _, err = pipeline("enqueue", *words)
    assert status == 2
    assert expected in err
    assert err.count("\n") == 1
    assert pipeline.json("jobs", "list") == []


def test_same_id_is_refused(pipeline: Terminal) -> None:
    """While a job of an id is pending, another is refused."""
    words = ("enqueue", "notify", "--arg", "key=a", "--id", "one")
    assert pipeline(*words)[0] == 0
    status, _, err = pipeline(*words)
    assert status != 0
    assert "exists already" in err


def test_dead_job_is_retried_by_the_id_of_the_dead(pipeline: Terminal) -> None:
    """The command says under which id it goes on: its own, or this one if that is taken."""
    for taken in (False, True):
        pipeline.let_die("mine")
        (row,) = pipeline.json("dead", "list")
        dead_id = row["job_id"]
        if taken:
            other = ("--arg", "channel_id=UC1", "--in", "10m", "--id", "mine")
            assert pipeline("enqueue", "sync_channel", *other)[0] == 0
            now_as = f"still as {dead_id}, since another job is mine now"
        else:
            now_as = "as mine"
        assert pipeline("dead", "retry", dead_id)[:2] == (0, f"{dead_id}: due now, {now_as}\n")
        assert pipeline("jobs", "delete", "mine")[0] == 0


def test_dead_job_is_retried_by_its_id(pipeline: Terminal) -> None:
    """It is ready again, and the audit log names who did that."""
    pipeline.let_die("mine")
    (row,) = pipeline.json("dead", "list", "--error", "bury")
    assert (row["name"], row["attempts_made"]) == ("doomed", 1)

    assert pipeline("dead", "retry", "mine")[:2] == (0, "mine: due now\n")
    assert pipeline.json("dead", "list") == []
    (row,) = pipeline.json("jobs", "list", "--state", "ready")
    assert row["attempts_made"] == 0
    found = pipeline.meanwhile(entries).entries
    assert found[0].action == "run"
    assert found[0].who.startswith("terminal:")


def test_action_on_a_job_that_moved_on_says_so(pipeline: Terminal) -> None:
    """Nothing is done to it, and the exit status shows that to scripts."""
    pipeline.let_die("one")
    status, out, _ = pipeline("jobs", "bury", "one")
    assert (status, out) == (1, "one: nothing was done, for it is dead\n")
    status, _, err = pipeline("jobs", "delete", "absent")
    assert (status, "there is no job absent" in err) == (2, True)


def test_all_that_match_are_deleted_after_a_question(pipeline: Terminal) -> None:
    """Without a yes nothing is done; with it, all that match go, and no others."""

    async def many(_: QueueClient) -> None:
        await notify.enqueue_many([{"key": f"k{number}"} for number in range(25)])
        await sync_channel.enqueue(channel_id="UC1")

    pipeline.meanwhile(many)
    words = ("jobs", "delete", "--all", "--name", "notify", "--text", "k1")
    status, _, _ = pipeline(*words)
    assert status != 0
    assert len(pipeline.json("jobs", "list")) == 26
    assert pipeline(*words, "--yes")[:2] == (0, "11 deleted\n")
    left = pipeline.json("jobs", "list")
    assert len(left) == 15
    assert not any("k1" in str(row["arguments"]) for row in left)


def test_ids_and_all_exclude_each_other(pipeline: Terminal) -> None:
    """Neither, or both, is a mistake that must not delete everything."""
    for words in ((), ("mine", "--all")):
        status, _, err = pipeline("jobs", "delete", *words)
        assert status == 2
        assert "name jobs by their ids, or say --all" in err


def test_paused_queue_says_by_whom(pipeline: Terminal) -> None:
    """The list and the job's own explanation name the pause; a resume ends it."""
    pipeline("enqueue", "notify", "--arg", "key=a", "--id", "one")
    assert pipeline("queues", "pause", "notifications")[:2] == (0, "notifications: paused\n")
    (queue,) = [q for q in pipeline.json("queues", "list") if q["name"] == "notifications"]
    assert queue["paused"]["by"].startswith("terminal:")
    assert "was paused by terminal:" in pipeline("why", "one")[1]
    pipeline("queues", "resume", "notifications")
    assert "No worker of notifications lives." in pipeline("why", "one")[1]


def test_jobs_of_one_name_are_paused_and_resumed(pipeline: Terminal) -> None:
    """The queue goes on; its line in the list says which name is paused."""
    done = pipeline("queues", "pause", "notifications", "--job", "notify")
    assert done[:2] == (0, "notifications: notify paused\n")
    (queue,) = [q for q in pipeline.json("queues", "list") if q["name"] == "notifications"]
    assert queue["paused"] is None
    assert [one["name"] for one in queue["paused_jobs"]] == ["notify"]
    assert "paused: notify" in pipeline("queues", "list")[1]
    resumed = pipeline("queues", "resume", "notifications", "--job", "notify")
    assert resumed[1] == "notifications: notify resumed\n"
    assert "paused: notify" not in pipeline("queues", "list")[1]
    assert pipeline("queues", "pause", "notifications", "--job", "")[0] == 2


def test_unknown_queue_is_an_error(pipeline: Terminal) -> None:
    """Not an empty list."""
    status, _, err = pipeline("jobs", "list", "--queue", "slow")
    assert (status, "there is no queue 'slow'" in err) == (2, True)


def test_nothing_of_a_job_steers_the_terminal(pipeline: Terminal) -> None:
    """Names, arguments and errors are foreign text: no escape sequence gets through."""
    pipeline.let_die("mine")
    for words in (("jobs", "list"), ("dead", "list"), ("jobs", "show", "mine"), ("why", "mine")):
        _, out, err = pipeline(*words)
        assert "\x1b" not in out + err


def test_schedule_is_run_and_paused(pipeline: Terminal) -> None:
    """Schedules are listed in words, run at once, paused and resumed."""
    listed = {one["name"]: one for one in pipeline.json("schedules", "list")}
    assert listed["sync_due_channels"]["words"] == "Every minute"
    status, out, _ = pipeline("schedules", "run", "sync_due_channels")
    assert (status, out.startswith("sync_due_channels: enqueued as ")) == (0, True)
    assert len(pipeline.json("jobs", "list", "--name", "sync_due_channels")) == 1
    pipeline("schedules", "pause", "sync_due_channels")
    listed = {one["name"]: one for one in pipeline.json("schedules", "list")}
    assert listed["sync_due_channels"]["paused"]["by"].startswith("terminal:")
    assert pipeline("schedules", "resume", "nothing")[0] == 2


def test_doctor_names_what_is_wrong_and_the_remedy(pipeline: Terminal) -> None:
    """A queue with jobs and no worker, a body in no queue, a database without tables: errors."""
    pipeline("enqueue", "notify", "--arg", "key=a")
    pipeline.meanwhile(lambda redis: redis.set(keys.ARQ.job_prefix + "lost", b"{}"))
    status, out, _ = pipeline("doctor", "--json")
    found = {one["name"]: one for one in json.loads(out)}
    assert status == 2
    assert found["queue notifications"]["severity"] == "error"
    assert found["queue notifications"]["remedy"] == "Start one: pipeline worker notifications"
    assert "1 job bodies" in found["orphaned keys"]["text"]
    assert "such as lost" in found["orphaned keys"]["text"]
    assert found["version"]["severity"] == "ok"
    assert found["database"]["severity"] == "error"


def test_private_redis_that_does_not_run_says_how_to_start_it(
    pipeline: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without REDIS_URL, commands use that of the state directory, which `pipeline up` starts."""
    monkeypatch.delenv("REDIS_URL")
    use_config_file(None)
    for words in (("why", "x"), ("queues", "list"), ("jobs", "show", "x")):
        status, _, err = pipeline(*words)
        assert status == 2
        assert err.startswith("pipeline: no private Redis runs at unix:///")
        assert "`pipeline up`" in err
        assert err.count("\n") == 1


def test_redis_that_is_down_is_one_line(
    pipeline: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command says where it looked, and what to do."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    use_config_file(None)
    for words in (("queues", "list"), ("doctor",), ("why", "x"), ("workers", "list")):
        status, _, err = pipeline(*words)
        assert status == 2
        assert "Redis at redis://127.0.0.1:1/0" in err
        assert err.count("\n") == 1


LISTS = ("queues", "jobs", "scheduled", "retries", "dead", "workers", "schedules", "batches")


@pytest.mark.parametrize("group", [*LISTS, "sessions"])
def test_each_list_is_a_list_by_every_name_and_form(pipeline: Terminal, group: str) -> None:
    """`ls` is `list`, `--json` is `-o json`, nothing is `[]`; watched where nobody looks: once."""
    found = pipeline.json(group, "list")
    assert isinstance(found, list)
    assert len(found) == {"queues": 4, "schedules": 3}.get(group, 0)
    for words in (["ls", "-o", "json"], ["list", "--json"], ["ls", "--watch", "-ojson"]):
        status, out, _ = pipeline(group, *words)
        again = json.loads(out)
        assert (status, len(again)) == (0, len(found))
        assert [list(one) for one in again] == [list(one) for one in found]
    for words in ([], ["-o", "wide"], ["--watch"]):
        status, out, err = pipeline(group, "ls", *words)
        assert status == 0
        assert (out.count("\n") - 1 if found else err.count("\n")) == (len(found) or 1)


def test_json_has_times_with_offsets_and_seconds(pipeline: Terminal) -> None:
    """Each time of a document can be read back with its zone; no duration is in milliseconds."""
    pipeline.let_die("mine")
    pipeline("enqueue", "sync_channel", "--arg", "channel_id=UC1", "--in", "10m")
    pipeline("schedules", "pause", "compare_channels")
    seen = [
        pipeline.json(*words)
        for words in (*([one, "list"] for one in LISTS), ["jobs", "show", "mine"])
    ]
    times, durations = [], []

    def walk(value: Any, name: str = "") -> None:
        assert not name.endswith("_ms")
        if isinstance(value, dict):
            for key, one in value.items():
                walk(one, key)
        elif isinstance(value, list):
            for one in value:
                walk(one)
        elif value is not None and (name == "at" or name.endswith("_at")):
            times.append(datetime.fromisoformat(value))
        elif name.endswith("_s"):
            durations.append(value)

    walk(seen)
    assert len(times) > 8
    assert {one.utcoffset() for one in times} == {timedelta()}
    assert any(isinstance(one, int | float) for one in durations)


def test_sessions_are_listed_and_revoked(pipeline: Terminal) -> None:
    """By a part of their id, by user, or all of them; what fits none or several ends none."""

    async def log_in(client: QueueClient) -> None:
        store = Sessions(client, SECRET, SessionLimits())
        for name in ("ada", "ada", "bob", "eve"):
            await store.start(Login(name, "hash"), "192.0.2.7", f"Chrome {HOSTILE}")

    assert pipeline("sessions", "list") == (0, "", "Nobody is logged in.\n")
    pipeline.meanwhile(log_in)
    found = pipeline.json("sessions", "list")
    assert sorted(one["name"] for one in found) == ["ada", "ada", "bob", "eve"]
    assert {one["address"] for one in found} == {"192.0.2.7"}
    status, out, _ = pipeline("sessions", "list")
    assert status == 0
    assert "\x1b" not in out
    (bob,) = [one["session_id"] for one in found if one["name"] == "bob"]
    for words in (["nothing"], [""], [bob[:12], "nothing"]):
        status, _, err = pipeline("sessions", "revoke", *words)
        assert (status, err.count("\n")) == (2, 1)
        assert "pipeline sessions list" in err
    assert pipeline("sessions", "revoke")[0] == 2
    assert pipeline("sessions", "revoke", bob[:12]) == (0, "Revoked 1 session.\n", "")
    assert pipeline("sessions", "revoke", "--user", "ada") == (0, "Revoked 2 sessions.\n", "")
    assert pipeline("sessions", "revoke", "--user", "ada") == (0, "Revoked 0 sessions.\n", "")
    assert [one["name"] for one in pipeline.json("sessions", "list")] == ["eve"]
    assert pipeline("sessions", "revoke", "--all") == (0, "Revoked 1 session.\n", "")


def test_batches_are_listed_shown_and_acted_on(pipeline: Terminal) -> None:
    """With their counts, callbacks and jobs; each action is in the audit log."""

    async def begin(_: QueueClient) -> tuple[str, str]:
        callback = notify.call(key="report")
        async with Batch("nightly\x1b[31m", success=callback) as batch:
            ids = [(await sync_channel.enqueue(channel_id=one)).id for one in "ab"]
        await Admin(current_client()).bury("default", ids[0])
        return batch.id, ids[1]

    batch_id, waiting_id = pipeline.meanwhile(begin)
    [row] = pipeline.json("batches", "list")
    assert (row["batch_id"], row["total"], row["dead"], row["waiting"]) == (batch_id, 2, 1, 1)
    assert (row["state"], row["to_come"]) == ("running", ["success"])
    status, out, _ = pipeline("batches", "show", batch_id)
    assert status == 0
    assert "\x1b" not in out
    assert f"{waiting_id}  default" in out
    assert "0 of 2 jobs done, 1 dead, 1 waiting" in out
    status, out, _ = pipeline("why", f"{batch_id}:success")
    assert "Of 2 jobs, 0 are done, 1 waiting or running, 1 dead." in out

    assert pipeline("batches", "retry-dead", batch_id)[1] == f"{batch_id}: retried 1 of 1 dead\n"
    assert pipeline("batches", "cancel", batch_id)[1] == f"{batch_id}: done\n"
    assert pipeline("batches", "cancel", batch_id)[1] == f"{batch_id}: nothing: it has ended\n"
    assert pipeline.json("batches", "list")[0]["state"] == "cancelled"
    assert "It never comes: the batch was cancelled." in pipeline("why", f"{batch_id}:success")[1]
    status, _, err = pipeline("batches", "show", "nothing")
    assert (status, "there is no batch 'nothing'" in err) == (2, True)

    async def recorded(redis: QueueClient) -> list[str]:
        return [entry.action for entry in (await entries(redis)).entries]

    assert {"retry-dead batch", "cancel batch"} <= set(pipeline.meanwhile(recorded))
