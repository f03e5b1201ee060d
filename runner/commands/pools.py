"""What `worker` and `up` share: queues with weights or in an order, and one pool of slots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runner.commands.completion import named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.commands.host import Host
    from runner.processes.fleet import PoolPlan

F = TypeVar("F", bound="Callable[..., Any]")

_OF_ONE_S_OWN = (
    ", or name your own application: --app MODULE:NAME (`pipeline new FOLDER` writes a small one)"
)


def takes_queues(command: F) -> F:
    """Let *command* take queues, perhaps with weights, and a pool for them."""
    for parameter in (
        click.option(
            "--strict",
            is_flag=True,
            help="A free slot goes to the first QUEUE that has work; one pool, without weights.",
        ),
        click.option(
            "--slots",
            type=click.IntRange(1, 100_000),
            metavar="N",
            help="Run N jobs at a time, of all QUEUEs together: one pool, shared by weight.",
        ),
        click.argument("words", metavar="QUEUE[:WEIGHT]…", nargs=-1, shell_complete=named("queue")),
    ):
        command = parameter(command)
    return command


def chosen_queues(host: Host, words: Sequence[str]) -> dict[str, list[str]]:
    """
    Return for each of *words* the queues that it means: one, or all partitions of one.

    Raises:
        click.UsageError: There is no such queue, or a word is there twice with other weights.
    """
    from runner.broker.keys import partitions_among

    found: dict[str, list[str]] = {}
    for word in words:
        name = word.partition(":")[0]
        some = partitions_among(host.queues, name)
        if not some:
            own = "" if host.folder else _OF_ONE_S_OWN
            known = ", ".join(host.queues)
            raise click.UsageError(f"There is no queue {name!r}; choose from {known}{own}")
        taken = {queue for queues in found.values() for queue in queues}
        found.setdefault(name, [queue for queue in some if queue not in taken])
    return found


def planned(
    words: Sequence[str], names: Sequence[str], slots: int | None, *, strict: bool
) -> PoolPlan | None:
    """
    Return how the queues *names* share slots, if *words*, *slots* or *strict* say so.

    Raises:
        click.UsageError: A weight is none, or is given twice or with *strict*.
    """
    weights: dict[str, float] = {}
    for word in words:
        name, colon, text = word.partition(":")
        if not colon:
            continue
        if name in weights:
            raise click.UsageError(f"{word}: {name} has a weight already; give it once.")
        weights[name] = _weight(word, text)
    if strict and weights:
        raise click.UsageError(
            "--strict goes by the order of the queues: leave the weights out, or --strict."
        )
    if not (weights or slots or strict):
        return None
    from runner.processes.fleet import PoolPlan

    return PoolPlan({name: weights.get(name, 1.0) for name in names}, slots, strict=strict)


def _weight(word: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= _MOST:
        raise click.UsageError(
            f"{word}: give a weight above 0, such as {word.partition(':')[0]}:3."
        )
    return weight


_MOST = 1e6
