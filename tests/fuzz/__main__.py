"""Fuzz all targets, or those that are named, each in a process of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
FOUND = Path(".fuzz")
NAMES = ("document", "table", "feed", "codec", "crontab", "address", "login")
_INPUT_S = 30  # of time, on a machine that may be busy
_INPUT_MIB = 2048


def main() -> int:
    """Fuzz, and return 1 if any input broke a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=60, help="how long for each target")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.one:
        return _fuzz(options.targets[0], rest)
    unknown = set(options.targets) - set(NAMES)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}: {', '.join(NAMES)}")
    failed = [name for name in options.targets or NAMES if not _run(name, options.seconds)]
    for name in failed:
        print(f"{name}: see {FOUND / name}")
    return 1 if failed else 0


def _run(name: str, seconds: int) -> bool:
    """New inputs that cover more are kept in `.fuzz` for the next run; the tree stays small."""
    grown = FOUND / name / "corpus"
    grown.mkdir(parents=True, exist_ok=True)
    process = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz", "--one", name),
            f"-max_total_time={seconds}",
            f"-timeout={_INPUT_S}",
            f"-rss_limit_mb={_INPUT_MIB}",
            "-max_len=65536",
            f"-artifact_prefix={FOUND / name}/",
            "-print_final_stats=1",
            "-verbosity=1",
            *(str(grown), str(CORPUS / name)),
        ],
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    runs = [line for line in process.stderr.splitlines() if "number_of_executed_units" in line]
    print(f"{name}: {runs[-1].split()[-1] if runs else '?'} inputs in {seconds} s, ", end="")
    print("nothing found" if process.returncode == 0 else "FOUND SOMETHING", flush=True)
    if process.returncode != 0:
        (FOUND / name / "log.txt").write_text(process.stderr)
    return process.returncode == 0


def _fuzz(name: str, options: list[str]) -> int:
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: its wheels are for Linux on x86-64", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["jobs", "runner", "feedparser", "cronsim"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
