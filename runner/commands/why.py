"""`pipeline why`: why a job is not running yet, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.printing import as_json, echo, print_json
from runner.commands.run_command import EXIT_NOTHING, run_async
from runner.operations.job_text import sentence

if TYPE_CHECKING:
    from runner.commands.host import Host
    from runner.operations.why import Why


@click.command
@click.argument("job_id")
@as_json
@click.pass_context
def why(context: click.Context, *, job_id: str, as_json: bool) -> None:
    """
    Say why the job JOB_ID is not running yet, and what to do about it.

    Exit status: 0; 1 if there is no such job.
    """
    found = run_async(_why(context.obj, job_id))
    if as_json:
        print_json(found)
    else:
        echo(sentence(found))
    context.exit(EXIT_NOTHING if found.cause == "gone" else 0)


async def _why(host: Host, job_id: str) -> Why:
    from runner.operations.why import why as explain

    async with host.operator_session() as session:
        return await explain(session.redis, session.queues, job_id, session.catalog)
