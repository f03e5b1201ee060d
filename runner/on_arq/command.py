"""
The one patch in the project: `arq some.WorkerSettings` runs our worker.

arq's command builds `arq.worker.Worker` by that name and offers no other way in. So the name is
given our class, when a settings class of ours is imported, as the command does before it builds
the worker. arq's own class stays what it is for whoever imported it before.
"""

from __future__ import annotations

import arq.worker

from runner.on_arq.worker import Worker


def run_our_worker() -> None:
    """Name our worker as arq's."""
    arq.worker.Worker = Worker  # type: ignore[misc]
