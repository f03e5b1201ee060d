"""`pipeline worker QUEUE[:WEIGHT]…`: workers for queues, in one process or several."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from runner.commands.pools import chosen_queues, planned, takes_queues
from runner.commands.run_command import run_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.commands.host import Host

_AFTER_GRACE_S = 30.0
"""Seconds that a worker may take, after its jobs have ended, to settle them and to close."""

_AFTER_BLOCKED_S = 10.0
"""Seconds that a blocked worker has, after its limit, to end by its watchdog or its guard."""


@click.command
@takes_queues
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Run N processes and keep them alive; SIGHUP replaces them one after the other.",
)
@click.option(
    "--memory-limit-mb",
    type=click.IntRange(1),
    metavar="MIB",
    help="With --processes: replace a process that grows beyond this.",
)
@click.option(
    "--health-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve /livez, /readyz and /healthz here; 0 takes a free port.",
)
@click.option("--supervised", type=int, hidden=True)
@click.pass_obj
def worker(
    host: Host,
    *,
    words: tuple[str, ...],
    slots: int | None,
    strict: bool,
    processes: int,
    memory_limit_mb: int | None,
    health_port: int | None,
    supervised: int | None,
) -> None:
    """
    Run workers for one or more QUEUEs, until Ctrl-C or SIGTERM.

    Each has the slots of its settings class. With weights, `--slots` or `--strict` they share one
    pool instead, in each process.
    """
    if not words:
        raise click.UsageError(f"Name one or more queues: {', '.join(host.queues)}.")
    found = chosen_queues(host, words)
    pool = planned(words, list(found), slots, strict=strict)
    chosen = [queue for queues in found.values() for queue in queues]
    host.configure_logs()
    if supervised is not None:
        from runner.commands.serving import serve

        run_service(serve(host, chosen, pool=pool, health_port=None, supervisor_line=supervised))
        return
    port = host.health_address[1] if health_port is None else health_port
    if processes == 1 and memory_limit_mb is None:
        from runner.commands.serving import serve

        run_service(serve(host, chosen, pool=pool, health_port=port))
    else:
        run_service(_supervise(host, chosen, processes, memory_limit_mb, port))


async def _supervise(
    host: Host,
    queues: Sequence[str],
    processes: int,
    memory_limit_mb: int | None,
    health_port: int | None,
) -> None:
    """Opens everything here, too: errors show once, and a private Redis outlives the children."""
    from runner.commands.printing import print_places
    from runner.commands.serving import health_pages
    from runner.processes.supervisor import Supervisor

    async with host.open() as place, health_pages(host, place, queues, health_port) as pages:
        print_places(
            {**place.places, **pages},
            f"Working in {processes} processes: {', '.join(queues)}",
        )
        await Supervisor(
            # Children are started as this process was.
            [sys.executable, *sys.orig_argv[1:]],
            processes=processes,
            memory_limit_mb=memory_limit_mb,
            stop_within_s=place.grace_s + _AFTER_GRACE_S,
            silent_limit_s=place.blocked_limit_s + _AFTER_BLOCKED_S,
        ).run()
