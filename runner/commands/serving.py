"""What `up` and `worker` share: run workers until a signal stops them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from runner.commands.printing import print_places
from runner.processes.health import health_app
from runner.processes.http_server import serve_http
from runner.processes.supervisor import supervised
from runner.worker.guard import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from runner.commands.host import Host, Workplace
    from runner.processes.fleet import Fleet, PoolPlan


async def serve(
    host: Host,
    queues: Sequence[str],
    *,
    pool: PoolPlan | None = None,
    health_port: int | None,
    web_port: int | None = None,
    supervisor_line: int | None = None,
) -> None:
    """
    Work *queues* in this process until SIGINT or SIGTERM; a second signal stops it at once.

    pool: how they share slots; None: each has its own. health_port, web_port: where the health
    pages and the operators' pages are served; None: not at all. supervisor_line: the descriptor of
    `supervised`, in a child of a supervisor.
    """
    async with contextlib.AsyncExitStack() as exits:
        line = None
        if supervisor_line is not None:
            line = await exits.enter_async_context(supervised(supervisor_line))
        guard = await exits.enter_async_context(Guard())
        place = await exits.enter_async_context(host.open())
        pages = {**await exits.enter_async_context(health_pages(host, place, queues, health_port))}
        if web_port is not None:
            from runner.commands.web import operator_pages

            pages |= await exits.enter_async_context(operator_pages(host, place, web_port))
        fleet = place.fleet(queues, pool)
        async with fleet.stopped_by_signals(), fleet.guarded(guard), asyncio.TaskGroup() as group:
            beside = group.create_task(
                _announce(fleet, {**place.places, **pages}) if line is None else line.answer(fleet)
            )
            await fleet.run()
            beside.cancel()


@contextlib.asynccontextmanager
async def health_pages(
    host: Host, place: Workplace, queues: Sequence[str], port: int | None
) -> AsyncIterator[Mapping[str, str]]:
    """Serve health pages on *port* for the block, if there is one; give their address by name."""
    if port is None:
        yield {}
        return
    address, _ = host.health_address
    async with serve_http(health_app(place.health_checks(queues)), address, port) as served:
        yield {"Health": f"{served}/healthz"}


async def _announce(fleet: Fleet, places: Mapping[str, str]) -> None:
    await fleet.ready()
    print_places(places, f"Working, with jobs at a time: {fleet.slots_in_words}")
