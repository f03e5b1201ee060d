"""`pipeline up`: everything in one process, for development."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.commands.plainly import run_async

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
@click.pass_obj
def up(host: Host, health_port: int | None) -> None:
    """Run all workers and the health pages in one process, until Ctrl-C."""
    from runner.commands.serving import serve

    host.configure_logs()
    configured = host.health_address[1]
    port = next(p for p in (health_port, configured, DEFAULT_HEALTH_PORT) if p is not None)
    run_async(serve(host, host.queues, health_port=port))
