"""Install the peers once, into `benchmarks/.venv` and `benchmarks/node_modules`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = HERE / ".venv" / "bin" / "python"

_PINS = HERE / "peers.txt"
_LIMIT_S = 300


@cache
def prepare_python() -> str | None:
    """Install the pinned Python peers; return the reason if that fails."""
    uv = Path(sys.executable).with_name("uv")
    made = HERE / ".venv" / ".made-from"
    if PYTHON.exists() and made.exists() and made.read_text() == _PINS.read_text():
        return None
    failed = _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, HERE / ".venv")
    failed = failed or _run(uv, "pip", "sync", "--quiet", "--python", PYTHON, _PINS)
    if failed is None:
        made.write_text(_PINS.read_text())
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
