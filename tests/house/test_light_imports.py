"""A service that only enqueues installs and imports little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {
    "aiostatsd",
    "alembic",
    "altair",
    "django",
    "fastapi",
    "feedparser",
    "flask",
    "httpx",
    "jinja2",
    "numpy",
    "pandas",
    "polars",
    "pydantic_settings",
    "scipy",
    "sentry_sdk",
    "sqlalchemy",
    "starlette",
    "textual",
    "uvicorn",
    "vl_convert",
}


@pytest.mark.parametrize("statement", ["import runner", "from jobs import sync_channel"])
def test_import_loads_nothing_heavy(statement: str) -> None:
    """Enqueueing a job works with the base install."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"

    imported = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert imported.returncode == 0, imported.stderr
    loaded = {name.partition(".")[0] for name in json.loads(imported.stdout)}
    assert "runner" in loaded
    assert loaded & HEAVY == set()


def test_process_that_computes_loads_nothing_that_runs_jobs() -> None:
    """It starts with each command: what it never uses would take longer than a channel."""
    script = (
        "import sys\nfrom jobs.computing import load_libraries\nload_libraries()\n"
        "import jobs.charts.rendering, jobs.drawn_charts\nfrom jobs.store import StoredChart\n"
        "unused = 'arq feedparser httpx jinja2 redis rich scipy sqlalchemy structlog vl_convert'\n"
        "print([one for one in unused.split() if one in sys.modules], 'polars' in sys.modules)"
    )

    imported = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert imported.stdout.strip() == "[] True", imported.stderr


def test_comparison_does_without_statistics_of_scipy() -> None:
    """Importing `scipy.stats` takes longer than a comparison; `sparse` and `linalg` are enough."""
    imports = "jobs.recommendations.similar.comparison"
    script = f"import sys, {imports}\nprint('scipy.stats' in sys.modules)"

    imported = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert imported.stdout.strip() == "False", imported.stderr


def test_command_that_fails_early_loads_neither_structlog_nor_cryptography(tmp_path: Path) -> None:
    """Each takes longer than the command; what logs a line, or logs in by a token, loads them."""
    script = (
        "import sys\nfrom runner.start import main\n"
        "try:\n    main(['dead', 'list'])\nexcept SystemExit:\n    pass\n"
        "print([one for one in ('structlog', 'rich', 'jwt.api_jwt') if one in sys.modules])"
    )

    ended = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "REDIS_URL": f"unix://{tmp_path}/none.sock"},
        cwd=tmp_path,
    )

    assert ended.stdout.splitlines()[-1] == "[]", ended


def test_module_that_is_imported_when_used_is_whole() -> None:
    """By attribute, by `from`, and by a submodule of it."""
    script = (
        "import sys\nfrom runner.start import import_when_used\nimport_when_used('jwt')\n"
        "import jwt\nassert 'jwt.api_jwt' not in sys.modules\n"
        "{look}\nassert 'jwt.api_jwt' in sys.modules\nprint(jwt.PyJWT, sys.modules['jwt'].PyJWT)"
    )
    for look in ("jwt.PyJWT", "from jwt import PyJWT", "import jwt.algorithms"):
        subprocess.run([sys.executable, "-c", script.replace("{look}", look)], check=True)


_COMPLETED = """
import sys
from runner.start import main
try:
    main([])
except SystemExit:
    pass
print([one for one in ("redis", "arq", "pydantic", "shop") if one in sys.modules])
"""


@pytest.mark.parametrize("line", ["worker ", "queues pause ", "dead list --queue "])
def test_completed_names_are_kept_until_the_application_changes(tmp_path: Path, line: str) -> None:
    """The next key press imports neither the application nor what it works with."""
    shop = tmp_path / "shop.py"
    module = (
        "from runner import App, WorkerSettings\nclass A(WorkerSettings):\n    queue = 'mail'\n"
    )
    shop.write_text(f"{module}app = App([A])\n")
    (tmp_path / "home").mkdir()
    words = f"pipeline --app shop:app {line}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "COMP_WORDS": words,
        "_PIPELINE_COMPLETE": "bash_complete",
        "COMP_CWORD": str(len(words.split())),
    }

    def pressed() -> list[str]:
        ended = subprocess.run(
            [sys.executable, "-c", _COMPLETED],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=tmp_path,
        )
        return ended.stdout.splitlines()

    *offered, loaded = pressed()
    assert (offered, loaded) == (["plain,mail"], "['redis', 'arq', 'pydantic', 'shop']")
    *offered, loaded = pressed()
    assert (offered, loaded) == (["plain,mail"], "[]")
    shop.write_text(f"{module}class B(A):\n    queue = 'reports'\napp = App([A, B])\n")
    assert pressed()[:-1] == ["plain,mail", "plain,reports"]
