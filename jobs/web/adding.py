"""Add a channel in the page: look at an address, show what is there, then store and sync it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.routing import Route

from jobs.scheduling import schedule_channel
from jobs.web.styles import fingerprint
from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from jobs.channel.records import ChannelRecord, SourceRef
    from jobs.services import Services
    from runner.web.dashboard import Dashboard

_SCHEMES: Final = ("http://", "https://", "youtube:")
_LONGEST: Final = 2_000
_SHOWN: Final = 50


@dataclass(slots=True)
class Found:
    """A channel at an address, and the sources that have it."""

    record: ChannelRecord
    refs: list[SourceRef] = field(default_factory=list)


def adding_routes(
    dashboard: Dashboard,
    services: Services,
    sync: Callable[[str], Awaitable[bool]],
) -> list[BaseRoute]:
    """Return the page that shows what is at an address, and the form that stores it."""

    async def look(request: Request) -> Response:
        form = await request.form()
        location = _address(str(form.get("location", "")))
        found, problems, lines = await _at(services, location)
        known = await _known(services, found)
        return dashboard.render(
            request,
            "channel_add.html.j2",
            location=location,
            found=list(found.values())[:_SHOWN],
            count=len(found),
            known=known,
            problems=problems,
            lines=lines,
            channel_assets=fingerprint(),
        )

    async def add(request: Request) -> Response:
        form = await request.form()
        location = _address(str(form.get("location", "")))
        found, problems, _ = await _at(services, location)
        if not found:
            raise ConfigurationError("; ".join(problems) or f"{location}: there is no channel")
        await services.store.channels.register_all(
            [(one.record, one.refs) for one in found.values()]
        )
        operator = dashboard.operator(request)
        for channel_id in found:
            if await services.store.schedules.find(channel_id) is None:
                await schedule_channel(services, channel_id)
            await sync(channel_id)
            await operator.record("add", channel_id, location, "done")
        first = next(iter(found.values())).record
        if len(found) == 1:
            where = f"/channels?text={quote(first.id, safe='')}"
            return dashboard.back(request, where, f"{first.title} is added, and read now.")
        return dashboard.back(request, "/channels", f"{len(found):,} channels are added.")

    return [
        # It fetches what it is given: only an operator's form of our own may ask for that.
        Route("/channels/look", look, methods=["POST"]),
        Route("/channels/add", add, methods=["POST"]),
    ]


def _address(text: str) -> str:
    """A page takes addresses only: whoever may see it may not look around in our files."""
    location = text.strip()
    if location.startswith("@"):
        location = f"youtube:{location}"
    if not location.lower().startswith(_SCHEMES) or len(location) > _LONGEST:
        raise ConfigurationError(
            "that is no address of a feed or a channel: write https://…, youtube:@name or @name; "
            "files are added with pipeline run FILE"
        )
    return location


async def _at(services: Services, location: str) -> tuple[dict[str, Found], list[str], list[str]]:
    """Return the channels at *location* by the ids that count, what is wrong, and what is there."""
    from jobs.sources import Skipped, SourceError
    from jobs.sources.identity import is_ours

    found: dict[str, Found] = {}
    problems, lines = [], []
    for finding in await services.sources.discover(location):
        if isinstance(finding, SourceError):
            problems.append(str(finding))
        elif isinstance(finding, Skipped):
            problems.append(f"{finding.location}: {finding.reason}")
        else:
            lines.append(finding.describe())
            owner = (await services.store.channels.owners_of([finding.ref])).get(finding.ref)
            for record in finding.channels():
                mine = owner if owner and is_ours(record.id) else record.id
                one = found.setdefault(mine, Found(replace(record, id=mine)))
                one.refs.append(finding.ref)
    return found, problems, lines


async def _known(services: Services, found: Mapping[str, Found]) -> set[str]:
    return {one for one in found if await services.store.channels.find(one) is not None}
