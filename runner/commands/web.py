"""`pipeline web`: serve the operators' pages; `pipeline password`: hash a user's password."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import click

from runner.commands.printing import echo
from runner.commands.run_command import run_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from runner.commands.host import Host, Workplace

DEFAULT_WEB_PORT = 8090


@click.command
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help=f"Serve here instead of {DEFAULT_WEB_PORT}; 0 takes a free port.",
)
@click.pass_obj
def web(host: Host, port: int | None) -> None:
    """Serve the pages for operators, until Ctrl-C."""
    host.configure_logs()
    chosen = host.web_address[1] if port is None else port
    run_service(_serve(host, DEFAULT_WEB_PORT if chosen is None else chosen))


@click.command
@click.password_option(help="The password; asked for if it is not given.")
def password(password: str) -> None:
    """Print a password's hash, for WEB__USERS."""
    from runner.web.login import hash_password

    echo(hash_password(password))


async def _serve(host: Host, port: int) -> None:
    from runner.commands.printing import print_places

    async with host.open() as place, operator_pages(host, place, port) as served:
        print_places({**place.places, **served}, "Serving")
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        try:
            await ended.wait()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def operator_pages(
    host: Host, place: Workplace, port: int
) -> AsyncIterator[Mapping[str, str]]:
    """Serve the pages on *port* for the block; give their address by name."""
    from runner.processes.http_server import serve_http

    dashboard, app = place.pages(host.queues)
    address, _ = host.web_address
    async with serve_http(app, address, port, what="pages") as served:
        try:
            yield {"Pages": served}
        finally:
            await dashboard.close()


def free_port(address: str, port: int) -> int:
    """Return *port*, or 0 if somebody listens there already."""
    import socket

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.create_server((address, port), family=family):
            return port
    except OSError:
        return 0
