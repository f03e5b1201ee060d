"""`pipeline enqueue`: enqueue one job from the command line, with the checks of a service."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from pydantic_core import from_json

from runner.commands.completion import named
from runner.commands.moment import MomentType
from runner.commands.output import print_document
from runner.commands.printing import echo
from runner.commands.run_command import run_async
from runner.partitions import MOST_PRIORITY
from runner.unique import CHANGES_ANOTHER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runner.commands.host import Host
    from runner.decorator import Job


@click.command
@click.argument("name", metavar="JOB", shell_complete=named("job"))
@click.option(
    "--arg",
    "given",
    metavar="NAME=VALUE",
    multiple=True,
    help="An argument; its value is JSON, or else text. May be repeated.",
)
@click.option(
    "--in", "at", type=MomentType(), metavar="10m", help="Make it due after this, or at a time."
)
@click.option(
    "--priority",
    type=click.IntRange(0, MOST_PRIORITY),
    help="For each step it goes before what has waited up to ten minutes longer.",
)
@click.option("--id", "job_id", help="Its id; refused while a job with this id exists.")
@click.option("--wait", is_flag=True, help="Wait until it ends, and print its result as JSON.")
@click.pass_context
def enqueue(
    context: click.Context,
    *,
    name: str,
    given: tuple[str, ...],
    at: datetime | timedelta | None,
    priority: int | None,
    job_id: str | None,
    wait: bool,
) -> None:
    """
    Enqueue JOB; its arguments are checked against its signature.

    Exit status: 0; 2 if it was refused or, with --wait, if it died.
    """
    kwargs = dict(_pair(one) for one in given)
    options = {"job_id": job_id, "priority": priority}
    run_async(_enqueue(context.obj, name, kwargs, at=at, options=options, wait=wait))


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.UsageError(f"--arg {text!r}: write NAME=VALUE")
    try:
        return name, from_json(value)
    except ValueError:
        return name, value


async def _enqueue(
    host: Host,
    name: str,
    kwargs: dict[str, Any],
    *,
    at: datetime | timedelta | None,
    options: dict[str, Any],
    wait: bool,
) -> None:
    from runner.current import use

    async with host.operator_session() as session:
        use(session.redis)
        job = session.jobs.get(name)
        if job is None:
            raise click.UsageError(_no_such(name, sorted(session.jobs)))
        if isinstance(at, timedelta):
            options["delay_s"] = at.total_seconds()
        else:
            options["at"] = at
        chosen = job.options(**{key: one for key, one in options.items() if one is not None})
        if job.schema.holds_secrets:
            kwargs = _with_secrets(job, kwargs)
        handle = await chosen.enqueue(**kwargs)
        if not handle.created:
            raise click.ClickException(f"{_there(job, handle.id)}; none was added")
        await session.operator.record("enqueue", f"{job.queue}/{handle.id}", name, "done")
        echo(handle.id, err=wait)
        if wait:
            print_document(await handle.result())


def _there(job: Job[Any, Any], job_id: str) -> str:
    unique = job.options_of_worker.unique
    if unique is None:
        return f"a job {job_id} exists already"
    gets = " and gets these arguments, if it waits" * (unique.on_conflict in CHANGES_ANOTHER)
    return f"the job {job_id} has the unique key{gets}"


def _with_secrets(job: Job[Any, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Nobody can write a `Secret` in JSON: its value is given, and wrapped here."""
    _, parsed = job.parse((), kwargs)
    return {name: parsed[name] for name in kwargs}


def _no_such(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(known)}"
    return f"there is no job {name!r}; {hint}"
