"""
The one patch in the project: `arq some.WorkerSettings` runs our worker.

arq's command creates `arq.worker.Worker` by that name, and has no option for another class. It
imports the settings class first; when that is one of ours, the name is bound to our worker. Code
that imported arq's own class before keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import arq.worker

from runner.on_arq.base import BaseWorker

if TYPE_CHECKING:
    from runner.on_arq.command_worker import CommandWorker


def run_our_worker() -> None:
    """Bind arq's name for its worker to ours."""
    BaseWorker.chosen = _command_worker
    arq.worker.Worker = BaseWorker  # type: ignore[misc]


def _command_worker() -> type[CommandWorker]:
    """Enqueues and lists need a settings class, too, but no worker."""
    from runner.on_arq.command_worker import CommandWorker

    return CommandWorker
