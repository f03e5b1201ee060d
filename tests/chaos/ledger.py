"""The ledger of a run: many processes append events, each line atomically."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Event:
    """
    One line of the ledger, *at_s* by the machine's monotonic clock, which nobody sets.

    From the producer: `sent`, with the job's delay in seconds, and `acknowledged`, with the copies
    that it asked for. From workers: `up`, `began`, `raised` and `ended`; `down` once their process
    has ended. From the nemesis: `deleting`, `spared` if the job could not be deleted, `killed`, and
    `away`/`back` of Redis. From the history: `claimed`, perhaps to run alone, and `settled`.
    """

    at_s: float
    kind: str
    job_id: str
    token: str
    pid: int
    detail: Any


class Ledger:
    """Appends events to one file; any number of processes may do so."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, kind: str, job_id: str = "", *, token: str = "", detail: Any = None) -> None:
        """Write one event. If the process is killed, its written events remain."""
        line = json.dumps([time.monotonic(), kind, job_id, token, os.getpid(), detail])
        os.write(self._descriptor, line.encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read(path: Path) -> list[Event]:
    """Return every event, in time order."""
    with path.open() as lines:
        events = [Event(*json.loads(line)) for line in lines]
    return sorted(events, key=lambda event: event.at_s)
