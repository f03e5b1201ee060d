"""
The wheel, installed into empty environments as the documentation says, and used in them.

Each extra is installed alone, for what it forgets to declare would be there in any larger set: by
uv, which links files where pip writes them, in a tenth of the time. Plain pip installs the base,
what is built from source, and, for the newest Python at hand, all extras at once: what its wheels
lack shows there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from importlib.metadata import requires
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from runner.extras import module_of, modules, pip_command
from tests.pipeline_command import Commands

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUILT_FROM_SOURCE = "statsd"
_EXTRAS = sorted({name for names in modules().values() for name in names} - {_BUILT_FROM_SOURCE})
_NEWEST_MINOR = 30
_INSTALL_LIMIT_S = 280.0

pytestmark = pytest.mark.timeout(600)  # some install 700 MB


class Environment(Commands):
    """A virtual environment in an empty folder, in which its commands also run."""

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.programs / "python")

    def install(self, command: str, wheel: Path) -> None:
        """Run a documented pip command; the distribution in it is *wheel*."""
        for one in command.split(" && "):
            pip, *words = re.sub(r"'?channel-pipeline(\[[\w,]+\])?'?", rf"{wheel}\1", one).split()
            assert pip == "pip"
            # The pip of the tests: to put another into each environment takes 2 s. It finds its
            # configuration and its cache where a person's would.
            ended = _pip("--python", self.python, *words, "--quiet", "--no-compile")
            assert ended.returncode == 0, ended.stderr

    def link(self, command: str, wheel: Path) -> None:
        """Install from wheels alone what `install` would, by uv."""
        [requirement] = re.findall(r"'(channel-pipeline\[[\w,]+\])'", command)
        wanted = requirement.replace("channel-pipeline", str(wheel))
        words = ("pip", "install", "--quiet", "--python", self.python, "--only-binary", ":all:")
        # Again with the system's certificates, as `make setup`: behind a proxy they are needed.
        for more in ((), ("--system-certs",)):
            linked = subprocess.run(
                [sys.executable, "-m", "uv", *words, *more, wanted],
                capture_output=True,
                text=True,
                timeout=_INSTALL_LIMIT_S,
                check=False,
            )
            if linked.returncode == 0:
                return
        pytest.fail(linked.stderr)

    def refusal(self, *words: str, **variables: str) -> str:
        """Run a command that refuses in one line on standard error; return that line."""
        ended = self.run(*words, **variables)
        assert (ended.status, ended.out) == (2, ""), ended
        [line] = ended.err.splitlines()
        return line

    def import_what_it_brings(self, name: str) -> None:
        """Import each module of an extra that is for this Python."""
        wanted = {
            module_of(one.name)
            for one in map(Requirement, requires("channel-pipeline") or ())
            if one.marker and one.marker.evaluate({"extra": name})
        }
        imported = self.run("python", "-c", _IMPORT, *wanted)
        assert imported.status == 0, imported.err


_SERVICES = {
    "django": """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
from shop.tasks import send_receipt
print(send_receipt.get_result(send_receipt.enqueue(1).id).status.lower())
""",
    "fastapi": """
import asyncio
from datetime import date
from shop.web import app, build_report, lifespan
async def enqueue():
    async with lifespan(app):
        print(await (await build_report.enqueue(day=date(2026, 11, 29))).state())
asyncio.run(enqueue())
""",
    "flask": """
from shop.web import create_app
client = create_app().test_client()
ordered = client.post("/reports", data={"day": "2026-11-29"})
print(client.get(ordered.json["state"]).json["state"])
""",
}


_IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


@pytest.fixture
def empty() -> Iterator[Environment]:
    """Make an environment with nothing in it; it is gone with the test, for some take 700 MB."""
    with _environment(sys.executable) as made:
        yield made


def test_base_enqueues_and_names_what_the_command_needs(
    empty: Environment, wheel_file: Path, redis_url: str
) -> None:
    """A service needs nothing else; `pipeline` is there, and each command says what it lacks."""
    empty.install("pip install channel-pipeline", wheel_file)

    enqueued = empty.run("python", "-c", _ENQUEUE, REDIS_URL=redis_url)

    assert enqueued.out == "ready\n", enqueued.err
    assert empty.run("pipeline", "--help").status == 0
    assert empty.refusal("pipeline", "queues", "list") == (
        "pipeline: pipeline queues list needs the extra worker "
        f"(No module named 'pydantic_settings'): {pip_command('worker')}"
    )
    worker = empty.run("arq", "settings.AnalyticsWorker")
    assert worker.err.splitlines()[-1].endswith(pip_command("worker"))


_ENQUEUE = """
import asyncio
from jobs import sync_channel

async def enqueue():
    handle = await sync_channel.enqueue(channel_id="UC1")
    print(await handle.state())

asyncio.run(enqueue())
"""


def test_worker_alone_names_the_extra_of_each_command(
    empty: Environment, wheel_file: Path, redis_url: str
) -> None:
    """With the extra `worker`, `pipeline` runs; a command that needs more says what."""
    empty.link(pip_command("worker"), wheel_file)

    assert empty.run("pipeline", "--help").status == 0
    for command, words, name in (
        ("run", ["samples:"], "channels"),
        ("channels list", [], "channels"),
        ("up", [], "channels"),
        ("password", ["--password", "x"], "web"),
        ("top", [], "terminal"),
    ):
        line = empty.refusal("pipeline", *command.split(), *words)
        assert line.startswith(f"pipeline: pipeline {command} needs the extra {name} (")
        assert line.endswith(f": {pip_command(name)}")
    assert pip_command("channels") in empty.run("pipeline", "health").out
    (empty.folder / "shop.py").write_text(_SHOP)
    worker = empty.run("arq", "shop.MailWorker", REDIS_URL=redis_url)
    assert worker.err.splitlines()[-1].endswith(
        "MissingExtraError: StatsD at 127.0.0.1:8125 needs the extra statsd "
        f"(No module named 'aiostatsd'): {pip_command(_BUILT_FROM_SOURCE)}"
    )


_SHOP = """
import os
from runner import Context, WorkerSettings, job

@job(queue="mail")
async def send(ctx: Context) -> None: ...

class MailWorker(WorkerSettings):
    queue = "mail"
    jobs = (send,)
    redis = os.environ["REDIS_URL"]
    statsd = ("127.0.0.1", 8125)
"""


@pytest.mark.parametrize("name", _EXTRAS)
def test_extra_installs_alone(name: str, empty: Environment, wheel_file: Path) -> None:
    """It is installed from wheels alone, and what it brings can be imported."""
    empty.link(pip_command(name), wheel_file)

    empty.import_what_it_brings(name)


@pytest.mark.parametrize("name", sorted(_SERVICES))
def test_service_needs_the_extra_of_its_framework_alone(
    name: str, empty: Environment, wheel_file: Path, redis_url: str
) -> None:
    """The examples' services enqueue, and read the state of a job, without what workers need."""
    shutil.copytree(_EXAMPLES / name, empty.folder, dirs_exist_ok=True)
    empty.link(pip_command(name), wheel_file)

    ran = empty.run("python", "-c", _SERVICES[name], REDIS_URL=redis_url)

    assert ran.out.splitlines()[-1:] == ["ready"], ran.err


_EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler, which cystatsd needs")
def test_documented_commands_build_statsd(empty: Environment, wheel_file: Path) -> None:
    """The two commands that the page and the messages give install what is built from source."""
    empty.install(pip_command(_BUILT_FROM_SOURCE), wheel_file)

    empty.import_what_it_brings(_BUILT_FROM_SOURCE)


def test_newest_python_runs_with_every_extra(wheel_file: Path) -> None:
    """Plain pip installs all extras that have wheels, together, and the pipeline runs."""
    with _environment(_newest_python()) as made:
        made.install(f"{pip_command(','.join(_EXTRAS))} --only-binary :all:", wheel_file)

        ran = made.run("pipeline", "run", "samples:", "--no-reports")

        assert ran.status == 0, ran.err


@contextmanager
def _environment(python: str) -> Iterator[Environment]:
    if problem := _index_says():
        pytest.skip(f"no package index answers: {problem.splitlines()[-1]}")
    with TemporaryDirectory(prefix="pipeline-installed-") as name:
        folder = Path(name)
        made = subprocess.run(
            [python, "-m", "venv", "--without-pip", folder / "env"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        # With bytecode: without, each of its processes would compile what it imports.
        variables = {"PYTHONDONTWRITEBYTECODE": ""}
        yield Environment(folder, variables, programs=folder / "env/bin")


@cache
def _index_says() -> str:
    """Return why no package index answers; nothing if one does."""
    asked = _pip(
        *("install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"),
        *("--retries", "0", "--timeout", "10", "structlog"),
    )
    return asked.stderr.strip() if asked.returncode else ""


def _pip(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", *words, "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        timeout=_INSTALL_LIMIT_S,
        check=False,
    )


def _newest_python() -> str:
    """Return the newest Python at hand, on PATH or of pyenv; this one if none is newer."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for minor in range(_NEWEST_MINOR, sys.version_info.minor, -1):
        name = f"python3.{minor}"
        for path in (shutil.which(name), *pyenv.glob(f"3.{minor}.*/bin/{name}")):
            # A shim of pyenv is there even if its version is not chosen.
            if path and subprocess.run([path, "-c", "import venv"], check=False).returncode == 0:
                return str(path)
    return sys.executable
