"""
Run arq's own test suite against our worker and client: `make conformance`.

The suite comes from arq's source distribution, checked by the hash in the lock file; the packages
that it needs are installed into a separate environment. Both are kept under `.venv/conformance`.
Arguments are pytest's: `make conformance ARGS="-k abort"`; `--runxfail` shows the expected failures
in full.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".venv" / "conformance"
ENVIRONMENT = CACHE / "env"
REQUIREMENTS = HERE / "requirements.lock"
UV = Path(sys.executable).with_name("uv")


def main(arguments: list[str]) -> int:
    """Return pytest's exit status: 0 if every test passes or fails as documented."""
    CACHE.mkdir(parents=True, exist_ok=True)
    _make_environment()
    suite = _fetch_suite()
    python = str(ENVIRONMENT / "bin" / "python")
    command = [python, "-m", "pytest", "-p", "arq_plugin", *arguments]
    path = os.pathsep.join([str(HERE), str(ROOT)])
    return subprocess.run(
        command, cwd=suite, env={**os.environ, "PYTHONPATH": path}, check=False
    ).returncode


def _make_environment() -> None:
    done = ENVIRONMENT / "requirements.lock"
    if done.is_file() and done.read_bytes() == REQUIREMENTS.read_bytes():
        return
    _call(UV, "venv", "--quiet", "--clear", "--python", sys.executable, ENVIRONMENT)
    python = ENVIRONMENT / "bin" / "python"
    _call(UV, "pip", "sync", "--quiet", "--python", python, "--require-hashes", REQUIREMENTS)
    done.write_bytes(REQUIREMENTS.read_bytes())


def _fetch_suite() -> Path:
    """Unpack only the tests: the installed arq is used."""
    pin, version = _pin()
    suite = CACHE / f"arq-{version}"
    if (suite / "tests").is_dir():
        return suite
    wanted = CACHE / "arq.lock"
    wanted.write_text(pin, encoding="utf-8")
    # Without isolation only the archive is fetched: its build backend, hatchling, is locked.
    _call(
        *(sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"),
        *("--no-deps", "--no-binary", ":all:", "--no-build-isolation"),
        *("--require-hashes", "-r", wanted, "--dest", CACHE),
    )
    with tarfile.open(CACHE / f"arq-{version}.tar.gz") as archive:
        members = [
            member
            for member in archive
            if re.match(r"[^/]+/(tests/|pyproject\.toml$)", member.name)
        ]
        # Python 3.11.3 and older have no filters; the archive is checked by the lock's hash.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(CACHE, members)  # noqa: S202 -- with the filter set above
    return suite


def _pin() -> tuple[str, str]:
    """Return arq's lines in the lock file, and its version."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found = re.search(r"^arq==(\S+) \\\n(?: +--hash=\S+(?: \\)?\n)+", lock, re.MULTILINE)
    if found is None:
        raise SystemExit("make conformance: requirements.lock has no arq; run `make lock`")
    return found[0], found[1]


def _call(*command: str | Path) -> None:
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"make conformance: failed: {' '.join(map(str, command))}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
