"""`pipeline queues`: how many jobs are in the queues, and whether workers take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.completion import named
from runner.commands.printing import as_json, echo, print_json, print_table
from runner.commands.run_command import run_async
from runner.operations.verbs import QUEUE_VERBS
from runner.operations.words import note
from runner.wording import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.commands.host import Host
    from runner.operations.queues import Queue
    from runner.operations.verbs import Verb


@click.group
def queues() -> None:
    """List, pause and resume queues."""


@queues.command("list")
@as_json
@click.pass_context
def list_(context: click.Context, *, as_json: bool) -> None:
    """List every queue, with its number of jobs in each state."""
    found = run_async(_count(context.obj, ()))
    if as_json:
        print_json(found)
    else:
        _show(found)


def _verb_command(verb: Verb) -> click.Command:
    @click.command(verb.name, help=verb.help)
    @click.argument("queue", nargs=-1, required=True, shell_complete=named("queue"))
    @click.pass_context
    def act(context: click.Context, *, queue: tuple[str, ...]) -> None:
        for name in run_async(_act(context.obj, queue, verb)):
            echo(f"{name}: {verb.done}")

    return act


for verb in QUEUE_VERBS.values():
    queues.add_command(_verb_command(verb))


async def _count(host: Host, names: Sequence[str]) -> list[Queue]:
    from runner.operations.queues import queues as count

    async with host.operator_session() as session:
        return await count(session.redis, session.chosen_queues(names))


async def _act(host: Host, names: Sequence[str], verb: Verb) -> Sequence[str]:
    async with host.operator_session() as session:
        chosen = session.chosen_queues(names)
        for name in chosen:
            await session.operator.act_on_queue(verb, name)
        return chosen


def _show(found: Sequence[Queue]) -> None:
    counts = ("ready", "running", "scheduled", "retrying", "dead")
    columns = {"queue": "left"} | dict.fromkeys((*counts, "oldest wait", "workers"), "right")
    print_table(
        columns | {"": "wrap"},
        [
            (
                one.name,
                *(getattr(one, name) for name in counts),
                span(one.oldest_wait_s) if one.ready else "–",
                one.workers,
                note(one),
            )
            for one in found
        ],
    )
