"""`pipeline up`: run everything in one process, for development."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

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
@click.pass_obj
def up(host: Host, health_port: int | None, web_port: int | None) -> None:
    """Run all workers, the pages and the health pages in one process, until Ctrl-C."""
    from runner.commands.serving import serve

    host.configure_logs()
    configured = host.health_address[1]
    port = next(p for p in (health_port, configured, DEFAULT_HEALTH_PORT) if p is not None)
    address, chosen = host.web_address
    web = next((p for p in (web_port, chosen) if p is not None), None)
    if web is None:
        web = free_port(address, DEFAULT_WEB_PORT)
    run_service(serve(host, host.queues, health_port=port, web_port=web))
