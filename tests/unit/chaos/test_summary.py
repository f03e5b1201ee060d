"""Runs of `make chaos` are summed up by server and in all, and nothing broken is left out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tests.chaos.checker import Verdict
from tests.chaos.summary import summary


def _run(server: str, faults: dict[str, int], **verdict: Any) -> dict[str, Any]:
    return {
        "server": server,
        "seconds": 600.0,
        "calls": 1000,
        "faults": faults,
        "verdict": asdict(Verdict(**verdict)),
    }


def test_summary_adds_runs_up() -> None:
    """A column for each server, and one for all; the worst recovery is the longest of all."""
    lines = list(
        summary(
            [
                _run("Redis 7", {"kill worker": 2}, acknowledged=5000, worst_recovery_s=3.14),
                _run("Redis 7", {"kill worker": 1, "(failed)": 7}, acknowledged=2, lost=["a", "b"]),
                _run("Valkey 9", {"kill redis": 4}, acknowledged=70, worst_recovery_s=5.0),
            ]
        )
    )

    assert lines[0] == "| figure | Redis 7 | Valkey 9 | in all |"
    assert "| minutes of faults | 20 | 10 | 30 |" in lines
    assert "| faults injected | 3 | 4 | 7 |" in lines
    assert "| jobs acknowledged | 5,002 | 70 | 5,072 |" in lines
    assert "| **lost** | 2 | 0 | 2 |" in lines
    assert "| worst recovery, s | 3.1 | 5.0 | 5.0 |" in lines
    assert lines[-1] == "Faults: kill redis 4, kill worker 3."
