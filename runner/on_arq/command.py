"""
The one patch in the project: `arq some.WorkerSettings` runs our worker.

arq's command creates `arq.worker.Worker` by that name, and has no option for another class. It
imports the settings class first; when that is one of ours, the name is bound to our worker. Code
that imported arq's own class before keeps it.
"""

from __future__ import annotations

import arq.worker

from runner.on_arq.worker import Worker


def run_our_worker() -> None:
    """Bind arq's name for its worker to ours."""
    arq.worker.Worker = Worker  # type: ignore[misc]
