"""Install the peers once, into folders beside this file that git ignores."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = HERE / ".venv" / "bin" / "python"
NEWER_PYTHON = HERE / ".venv-newer" / "bin" / "python"
"""For what does not run on our oldest Python."""

_LIMIT_S = 300
_FIRST_NEWER_MINOR = 12
_NEWEST_MINOR = 15


@cache
def prepare_python() -> str | None:
    """Install the pinned Python peers; return the reason if that fails."""
    return _install(HERE / "peers.txt", PYTHON, sys.executable)


@cache
def prepare_newer_python() -> str | None:
    """Install the peers that need Python 3.12 or newer, as `prepare_python` does."""
    python = _newer_python()
    if python is None:
        return "no Python 3.12 or newer on PATH or of pyenv"
    return _install(HERE / "peers-newer.txt", NEWER_PYTHON, python)


def _newer_python() -> str | None:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for minor in range(_NEWEST_MINOR, _FIRST_NEWER_MINOR - 1, -1):
        name = f"python3.{minor}"
        for path in (shutil.which(name), *pyenv.glob(f"3.{minor}.*/bin/{name}")):
            # A shim of pyenv is there even if its version is not chosen.
            if path and _run(path, "-c", "import venv") is None:
                return str(path)
    return None


def _install(pins: Path, python: Path, made_from: str) -> str | None:
    uv = Path(sys.executable).with_name("uv")
    folder = python.parent.parent
    made = folder / ".made-from"
    if python.exists() and made.exists() and made.read_text() == pins.read_text():
        return None
    failed = _run(
        *(uv, "venv", "--quiet", "--clear", "--no-python-downloads", "--python", made_from, folder)
    )
    failed = failed or _run(uv, "pip", "sync", "--quiet", "--python", python, pins)
    if failed is None:
        made.write_text(pins.read_text())
    return failed


@cache
def prepare_node() -> str | None:
    """Install the pinned Node.js peer; return the reason if that fails."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "no node and npm on PATH"
    if (HERE / "node_modules" / "bullmq").exists():
        return None
    return _run(npm, "install", "--prefix", HERE, "--no-audit", "--no-fund", "--no-package-lock")


@cache
def prepare_ruby() -> str | None:
    """Find the system's Sidekiq; return the reason if there is none. Nothing is installed."""
    if shutil.which("ruby") is None:
        return "no ruby on PATH (Debian: apt install ruby-sidekiq)"
    found = subprocess.run(
        ["ruby", "-e", "require 'sidekiq'"],  # noqa: S607 -- whichever ruby the user has
        check=False,
        capture_output=True,
        timeout=_LIMIT_S,
    )
    return (
        "no Sidekiq for this ruby (Debian: apt install ruby-sidekiq)" if found.returncode else None
    )


def _run(*command: str | Path) -> str | None:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_LIMIT_S, cwd=HERE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{Path(command[0]).name}: {type(error).__name__}"
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "?").splitlines()[-1]
        return f"{Path(command[0]).name} {command[1]}: {last[:200]}"
    return None
