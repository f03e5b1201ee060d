"""`pipeline up`: run everything in one process, for development."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.pools import chosen_queues, planned, takes_queues
from runner.commands.run_command import run_service
from runner.commands.web import DEFAULT_WEB_PORT, free_port

if TYPE_CHECKING:
    from runner.commands.host import Host

DEFAULT_HEALTH_PORT = 8080


@click.command
@click.option(
    "--health-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help=f"Serve health pages here instead of {DEFAULT_HEALTH_PORT}; 0 takes a free port.",
)
@click.option(
    "--web-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help=f"Serve the operators' pages here instead of {DEFAULT_WEB_PORT}; 0 takes a free port.",
)
@takes_queues
@click.pass_obj
def up(
    host: Host,
    *,
    words: tuple[str, ...],
    slots: int | None,
    strict: bool,
    health_port: int | None,
    web_port: int | None,
) -> None:
    """
    Run all workers, the pages and the health pages in one process, until Ctrl-C.

    With weights, `--slots` or `--strict` they share one pool of slots. Queues that are not named
    weigh 1, and come last.
    """
    from runner.broker.keys import whole_queue
    from runner.commands.serving import serve

    host.configure_logs()
    configured = host.health_address[1]
    port = next(p for p in (health_port, configured, DEFAULT_HEALTH_PORT) if p is not None)
    address, chosen = host.web_address
    web = next((p for p in (web_port, chosen) if p is not None), None)
    if web is None:
        web = free_port(address, DEFAULT_WEB_PORT)
    found = chosen_queues(host, (*words, *map(whole_queue, host.queues)))
    pool = planned(words, list(found), slots, strict=strict)
    run_service(serve(host, host.queues, pool=pool, health_port=port, web_port=web))
