"""`pipeline why`: why a job is not running yet, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.output import Shown, shows
from runner.commands.run_command import EXIT_NOTHING
from runner.commands.tables import Lines
from runner.operations.job_text import sentence
from runner.wording import with_local_times

if TYPE_CHECKING:
    from runner.commands.host import Host


@click.command
@click.argument("job_id")
@shows
async def why(host: Host, *, job_id: str) -> Shown:
    """
    Say why the job JOB_ID is not running yet, and what to do about it.

    Exit status: 0; 1 if there is no such job.
    """
    from runner.operations.why import Cause
    from runner.operations.why import why as explain

    async with host.operator_session() as session:
        found = await explain(session.redis, session.queues, job_id, session.catalog)
    status = EXIT_NOTHING if found.cause is Cause.GONE else 0
    return Shown(found, [Lines([with_local_times(sentence(found))])], status=status)
