"""
Sum runs of `make chaos` up, as the Markdown of docs/reliability.md.

    make chaos ARGS="--seconds 600 --append runs.jsonl"
    python -m tests.chaos.summary runs.jsonl
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SUM = "in all"

_FIGURES: dict[str, Callable[[Any], int]] = {
    "minutes of faults": lambda run: round(run["seconds"] / 60),
    "faults injected": lambda run: sum(_injected(run).values()),
    "jobs acknowledged": lambda run: run["verdict"]["acknowledged"],
    "finished": lambda run: run["verdict"]["ended"],
    "in the dead set": lambda run: run["verdict"]["dead"],
    "deleted by the operator": lambda run: run["verdict"]["deleted"],
    "forgotten by Redis, as it may": lambda run: run["verdict"]["forgotten"],
    "an hour later, with Redis's clock": lambda run: run["verdict"]["hour_later"],
    "**lost**": lambda run: len(run["verdict"]["lost"]),
    "calls in the histories": lambda run: run["calls"],
    "**contradictions in them**": lambda run: len(run["verdict"]["contradictions"]),
    "**attempts charged for a crash**": lambda run: len(run["verdict"]["overcharged"]),
    "**keys left behind**": lambda run: len(run["verdict"]["leftovers"]),
    "finished more than once": lambda run: run["verdict"]["duplicates"],
    "recoveries after SIGKILL": lambda run: run["verdict"]["recoveries"],
    "**late recoveries**": lambda run: len(run["verdict"]["late"]),
}


def _injected(run: Any) -> dict[str, int]:
    return {name: times for name, times in run["faults"].items() if not name.startswith("(")}


def summary(runs: Sequence[Any]) -> Iterator[str]:
    """Yield the lines: figures by server, and the faults of all."""
    servers = sorted({run["server"] for run in runs})
    yield f"| figure | {' | '.join(servers)} | {_SUM} |"
    yield "|---|" + "--:|" * (len(servers) + 1)
    for name, of_run in _FIGURES.items():
        by_server = [sum(of_run(run) for run in runs if run["server"] == one) for one in servers]
        yield f"| {name} | {' | '.join(f'{n:,}' for n in [*by_server, sum(by_server)])} |"
    worst = [
        max(run["verdict"]["worst_recovery_s"] for run in runs if run["server"] == one)
        for one in servers
    ]
    yield f"| worst recovery, s | {' | '.join(f'{s:.1f}' for s in [*worst, max(worst)])} |"
    faults: Counter[str] = Counter()
    for run in runs:
        faults.update(_injected(run))
    yield ""
    yield "Faults: " + ", ".join(f"{name} {times}" for name, times in sorted(faults.items())) + "."


def main() -> None:
    """Print the summary of the files that the command line names."""
    lines = [line for name in sys.argv[1:] for line in Path(name).read_text().splitlines()]
    for line in summary([json.loads(line) for line in lines]):
        print(line)


if __name__ == "__main__":
    main()
