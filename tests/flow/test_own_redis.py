"""A queue with a Redis of its own, as an application's people meet it: by every command."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.redis_server import running_redis

if TYPE_CHECKING:
    from tests.pipeline_command import Commands

pytestmark = pytest.mark.timeout(240)

_FILE = """
import os
from runner import App, Bury, Context, WorkerSettings, job

@job(queue="mail")
async def send(ctx: Context, to: str) -> str:
    return f"sent to {to}"

@job(queue="mail")
async def bounce(ctx: Context) -> None:
    raise Bury("no such address")

@job(queue="reports")
async def build(ctx: Context) -> str:
    return await (await send.enqueue("ada")).result()

class Mail(WorkerSettings):
    queue = "mail"
    jobs = (send, bounce)
    redis = os.environ["MAIL_REDIS"]

class Reports(WorkerSettings):
    queue = "reports"
    jobs = (build,)

app = App([Mail, Reports])
"""
_FAST = {"SCHEDULED_POLL_INTERVAL_S": "1", "RUNNER__HEARTBEAT_S": "1", "PIPELINE_APP": "shop:app"}


def test_every_command_works_for_a_queue_with_a_redis_of_its_own(
    commands: Commands, redis_url: str
) -> None:
    """Also while that one is away: what the other has is shown, and what is missing is said."""
    (commands.folder / "shop.py").write_text(_FILE)
    with running_redis() as mail:
        commands.variables |= {**_FAST, "REDIS_URL": redis_url, "MAIL_REDIS": mail.url}
        with commands.running("pipeline", "up", "--health-port", "0", "--web-port", "0") as up:
            up.until("Ctrl-C stops it")
            sent = commands.run("pipeline", "enqueue", "build", "--wait")
            assert json.loads(sent.out) == "sent to ada", sent.err
            died = commands.run("pipeline", "enqueue", "bounce", "--id", "bob", "--wait")
            assert "no such address" in died.err
            [row] = _json(commands, "dead", "list")
            assert (row["queue"], row["name"]) == ("mail", "bounce")
            assert commands.run("pipeline", "why", row["job_id"]).out.startswith("It died at ")
            [process] = _json(commands, "workers", "list")
            assert [one["queue"] for one in process["workers"]] == ["mail", "reports"]
            health = commands.run("pipeline", "health")
            assert health.status == 0, health.out
            assert health.out.count("answered in") == 2
            found = {one["name"]: one for one in _json(commands, "doctor")}
            assert {found[f"queue {name}"]["severity"] for name in ("mail", "reports")} == {"ok"}
            retried = commands.run("pipeline", "dead", "retry", row["job_id"])
            assert retried.status == 0, retried.err
            assert up.end(signal.SIGTERM).status == 0

        own = {"REDIS_URL": redis_url, "MAIL_REDIS": redis_url}
        assert commands.run("pipeline", "enqueue", "send", "--arg", "to=x", **own).status == 0
        doctor = commands.run("pipeline", "doctor")
        assert doctor.status == 2
        assert "1 job waits here, where no worker looks" in doctor.out
        mail.pause()
        listed = commands.run("pipeline", "queues", "list", "--json")
        assert [one["name"] for one in json.loads(listed.out)] == ["reports"]
        assert "away since" in listed.err
        assert "mail cannot be seen" in listed.err
        doctor = commands.run("pipeline", "doctor")
        assert doctor.status == 2
        assert "away since" in doctor.out
        refused = commands.run("pipeline", "queues", "pause", "mail")
        assert refused.status != 0
        assert "away since" in refused.messages[-1]


def _json(commands: Commands, *words: str) -> list[dict[str, Any]]:
    ended = commands.run("pipeline", *words, "--json")
    found: list[dict[str, Any]] = json.loads(ended.out)
    return found
