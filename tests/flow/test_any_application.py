"""
An application of somebody else: two queues, outside the repository, served by every command.

Its packages have the names of the product's, `settings` and `jobs`, as those of any project may.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner_kit import eventually
from tests.tmux import terminal

if TYPE_CHECKING:
    from tests.pipeline_command import Commands, Running

pytestmark = pytest.mark.timeout(240)

FAST = {
    "REDIS_PREFIX": "shop:",
    "SCHEDULED_POLL_INTERVAL_S": "1",
    "RUNNER__HEARTBEAT_S": "1",
    "LOG_FORMAT": "json",
}
_REPOSITORY = Path(__file__).parents[2]

_FILES = {
    "pyproject.toml": '[tool.pipeline]\napp = "background:app"\n',
    "settings/__init__.py": 'SECRET_KEY = "as of Django"\n',
    "jobs/__init__.py": """
from runner import Bury, Context, job
from services import Shelf

@job(queue="mail")
async def send(ctx: Context, to: str, password: str = "") -> str:
    return f"sent to {to} from {ctx.get(Shelf).name}"

@job(queue="mail")
async def bounce(ctx: Context, to: str) -> None:
    raise Bury(f"no such address: {to}")

@job(queue="reports", redact=["token"])
async def build(ctx: Context, token: str = "") -> list[str]:
    "Say which modules of these names this process has."
    import sys
    return [str(sys.modules[name].__file__) for name in ("jobs", "settings") if name in sys.modules]
""",
    "services.py": """
from contextlib import asynccontextmanager
from dataclasses import dataclass

@dataclass
class Shelf:
    name: str

@asynccontextmanager
async def services():
    yield {Shelf: Shelf("the shelf")}
""",
    "background.py": """
import click
import settings
from jobs import bounce, build, send
from runner import App, Periodic, WorkerSettings
from services import Shelf, services
from runner.processes.health import Answers
from runner.web.dashboard import Extension

class Mail(WorkerSettings):
    queue = "mail"
    jobs = (send, bounce)
    concurrency = 3

class Reports(WorkerSettings):
    queue = "reports"
    jobs = (build,)

async def reach(): ...

@click.command
@click.pass_obj
def stock(app):
    "Count."
    click.echo(",".join(app.queues))

app = App(
    [Mail, Reports],
    schedule=[Periodic("nightly", build, "@daily")],
    services=services,
    checks=lambda services: [Answers("shelf", reach)],
    pages=lambda dashboard, services: Extension(links=[("Shelf", f"/{services[Shelf].name}")]),
    commands=[stock],
)
""",
    "for_arq.py": """
from background import Mail, app

MailWorker = app.configured(Mail)
""",
}


@pytest.fixture
def shop(commands: Commands) -> Commands:
    """Return the commands, in the folder of an application."""
    for name, text in _FILES.items():
        (commands.folder / name).parent.mkdir(exist_ok=True)
        (commands.folder / name).write_text(text)
    commands.variables |= FAST
    return commands


def test_every_command_serves_it(shop: Commands) -> None:
    """Everything in one process, on a Redis of its own, with pages, health and Prometheus."""
    with shop.running("pipeline", "up", "--health-port", "0", "--web-port", "0") as up:
        up.until("Ctrl-C stops it")
        assert "mail 3" in up.out
        _look(shop)
        _let_one_die_and_retry_it(shop)
        _visit(up)
        stopped = up.end(signal.SIGTERM)
    assert stopped.status == 0, stopped.err
    assert "hunter2" not in up.out + up.err


def _look(shop: Commands) -> None:
    assert [one["name"] for one in _json(shop, "queues", "list")] == ["mail", "reports"]
    below = replace(shop, folder=shop.folder / "jobs")
    assert _json(below, "queues", "list") == _json(shop, "queues", "list")
    sent = shop.run("pipeline", "enqueue", "send", "--arg", "to=ada", "--wait")
    assert json.loads(sent.out) == "sent to ada from the shelf", sent.err
    built = shop.run("pipeline", "enqueue", "build", "--arg", "token=hunter2", "--wait")
    modules = json.loads(built.out)
    assert len(modules) == 2
    assert [one for one in modules if Path(one).is_relative_to(_REPOSITORY)] == []
    [process] = _json(shop, "workers", "list")
    assert [one["queue"] for one in process["workers"]] == ["mail", "reports"]
    assert [one["name"] for one in _json(shop, "schedules", "list")] == ["nightly"]
    health = shop.run("pipeline", "health")
    assert (health.status, [line.split()[1] for line in health.out.splitlines()]) == (
        0,
        ["redis", "workers", "poller", "shelf"],
    )
    assert shop.run("pipeline", "stock").out == "mail,reports\n"
    found = {one["name"]: one["severity"] for one in _json(shop, "doctor")}
    assert found.keys() >= {"queue mail", "queue reports", "shelf", "poller"}
    assert "error" not in found.values()
    for words, offered in (
        ("pipeline worker ", "mail reports"),
        ("pipeline enqueue b", "bounce build"),
        ("pipeline schedules pause ", "nightly"),
    ):
        answered = shop.run(
            "pipeline",
            _PIPELINE_COMPLETE="bash_complete",
            COMP_WORDS=words,
            COMP_CWORD=str(words.count(" ")),
        )
        assert answered.out.replace("plain,", "").split() == offered.split()


def _let_one_die_and_retry_it(shop: Commands) -> None:
    died = shop.run(*("pipeline", "enqueue", "bounce", "--arg", "to=bob", "--id", "bob", "--wait"))
    assert died.status == 2
    assert "no such address: bob" in died.err
    [row] = _json(shop, "dead", "list")
    assert (row["queue"], row["name"], row["arguments"]) == ("mail", "bounce", {"to": "bob"})
    why = shop.run("pipeline", "why", row["job_id"]).out
    assert why.startswith("It died at ")
    retried = shop.run("pipeline", "dead", "retry", row["job_id"])
    assert (retried.status, retried.out) == (0, f"{row['job_id']}: due now, as bob\n")
    deadline = time.monotonic() + 60
    while not (again := _json(shop, "dead", "list")) or again[0]["job_id"] == row["job_id"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _visit(up: Running) -> None:
    pages, health = (
        next(line.split()[1] for line in up.out.splitlines() if line.split()[:1] == [name])
        for name in ("Pages", "Health")
    )
    overview = _get(pages)
    assert "/queues/mail" in overview
    assert 'href="/the shelf"' in overview
    assert "channels" not in overview.lower()
    assert "bounce" in _get(f"{pages}/dead")
    scraped = _get(f"{pages}/metrics")
    for queue in ("mail", "reports"):
        assert f'queue="{queue}"' in scraped
    assert 'queue="default"' not in scraped
    checks = json.loads(_get(health))["checks"]
    assert set(checks) == {"redis", "workers", "poller", "shelf"}


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux: it is the terminal here")
async def test_worker_runs_in_several_processes_and_top_shows_them(
    shop: Commands, redis_url: str
) -> None:
    """The supervisor's children are given the same application, also by the option."""
    (shop.folder / "pyproject.toml").unlink()
    shop.variables["REDIS_URL"] = redis_url
    words = ("worker", "--app", "background:app", "mail", "reports", "--processes", "2")
    with shop.running("pipeline", *words) as worker:
        worker.until("Working in 2 processes: mail, reports")
        shop.variables["PIPELINE_APP"] = "background:app"

        async def both_work() -> bool:
            found = _json(shop, "workers", "list")
            return [len(one["workers"]) for one in found] == [2, 2]

        await eventually(both_work, within_s=60)
        sent = shop.run("pipeline", "enqueue", "send", "--arg", "to=ada", "--wait")
        assert json.loads(sent.out) == "sent to ada from the shelf", sent.err
        (shop.folder / "pyproject.toml").write_text(_FILES["pyproject.toml"])
        _look_without_its_code(shop)
        with terminal(shop.folder, redis_url) as tmux:
            await tmux.until("reports")
            tmux("send-keys", "q")
            await tmux.until("ended with 0")
        assert worker.end(signal.SIGTERM).status == 0


def _look_without_its_code(shop: Commands) -> None:
    """Another application on this Redis sees the queues that are worked, and what died there."""
    elsewhere = shop.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.py").write_text("from runner import App\napp = App()\n")
    other = replace(
        shop, folder=elsewhere, variables={**shop.variables, "PIPELINE_APP": "other:app"}
    )
    assert [one["name"] for one in _json(other, "queues", "list")] == ["mail", "reports"]
    shop.run("pipeline", "enqueue", "bounce", "--arg", "to=bob", "--wait")
    [dead] = _json(other, "dead", "list")
    assert (dead["queue"], dead["name"], dead["arguments"]) == ("mail", "bounce", {"to": "bob"})
    assert other.run("pipeline", "why", dead["job_id"]).out.startswith("It died at ")
    assert {one["name"] for one in _json(other, "doctor")} >= {"queue mail", "queue reports"}
    with other.running("pipeline", "web", "--port", "0") as web:
        web.until("Ctrl-C stops it")
        pages = next(line.split()[1] for line in web.out.splitlines() if "Pages" in line)
        assert "bounce" in _get(f"{pages}/queues/mail?state=dead")
        assert 'pipeline_jobs{queue="mail",state="dead"} 1.0' in _get(f"{pages}/metrics")
    deleted = other.run("pipeline", "dead", "delete", dead["job_id"], "--yes")
    assert deleted.status == 0, deleted.err


def test_arq_runs_a_settings_class_of_it(shop: Commands) -> None:
    """With its Redis, its services and its logs, as `pipeline worker` would."""
    with shop.running("pipeline", "up", "--health-port", "0", "--web-port", "0") as up:
        up.until("Ctrl-C stops it")
        shop.run("pipeline", "queues", "pause", "mail")
        enqueued = shop.run("pipeline", "enqueue", "send", "--arg", "to=ada", "--id", "one")
        assert enqueued.status == 0, enqueued.err
        up.end()
    shop.variables["PYTHONPATH"] = str(shop.folder)
    ended = shop.run("arq", "for_arq.MailWorker", "--check")
    assert ended.status == 1
    with shop.running("arq", "for_arq.MailWorker") as worker:
        worker.until("worker started")
        assert shop.run("pipeline", "queues", "resume", "mail").status == 0
        worker.until("job done")
        assert worker.end(signal.SIGTERM).status == 0


def test_broken_application_is_one_line_for_each_command(shop: Commands) -> None:
    """A worker, the pages and an operator's command all say in which line."""
    (shop.folder / "jobs" / "__init__.py").write_text("import runner\n\nraise ValueError('no')\n")
    for words in (["worker", "mail"], ["up"], ["web"], ["dead", "list"], ["doctor"], ["health"]):
        ended = shop.run("pipeline", *words)
        assert (ended.status, ended.out) == (2, ""), words
        [line] = ended.err.splitlines()
        assert line.endswith(": jobs/__init__.py, line 3: ValueError: no"), line


def _json(shop: Commands, *words: str) -> Any:
    ended = shop.run("pipeline", *words, "--json")
    assert ended.status in (0, 1), ended.err
    return json.loads(ended.out)


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 -- our own address
        body: bytes = answer.read()
        return body.decode()
