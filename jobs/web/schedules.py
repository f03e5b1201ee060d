"""Pages and endpoints for the schedules of channels: how often each is synced on its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Route

from jobs.scheduling import (
    LONGEST_S,
    SHORTEST_S,
    how_often,
    read_interval,
    schedule_channel,
    write_interval,
)
from jobs.store import ChannelSchedule, NotStoredError
from runner.errors import ConfigurationError
from runner.web.endpoint import Done, Endpoint
from runner.web.reading import body_of, whole_number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from jobs.channel.records import ChannelRecord
    from jobs.services import Services
    from jobs.store import ScheduledChannel
    from runner.web.dashboard import Dashboard

_PAGE = 50
_MOST = 500


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """
    Some of the channels that are synced on their own.

    Attributes:
        schedules: Their schedules, those due first come first.
        after: Position where the next page starts; null on the last page.
    """

    schedules: list[ChannelSchedule]
    after: str | None


class IntervalBody(BaseModel):
    """How often to sync a channel."""

    model_config = ConfigDict(extra="forbid", strict=True)

    every_s: Annotated[int, Field(ge=SHORTEST_S, le=LONGEST_S)] | None = Field(
        description="Seconds between two syncs; null to follow how often the channel publishes."
    )


class ChannelSchedules:
    """Shows schedules, changes them for an operator, and records that in the audit log."""

    def __init__(self, dashboard: Dashboard, services: Services) -> None:
        self._dashboard = dashboard
        self._services = services

    async def page(
        self, after: str | None, limit: int
    ) -> tuple[list[ScheduledChannel], str | None]:
        """The next *limit* schedules by due time, and where the next page starts."""
        start = None if not after else _position(after)
        found = await self._services.store.schedules.page(start, limit + 1)
        if len(found) <= limit:
            return found, None
        last = found[limit - 1].schedule
        return found[:limit], f"{last.due_at.isoformat()} {last.channel_id}"

    async def set(
        self, request: Request, channel: ChannelRecord, every_s: int | None
    ) -> ChannelSchedule:
        """
        Sync *channel* on its own every *every_s* seconds; None follows how often it publishes.

        Raises:
            ConfigurationError: The interval is too short or too long.
            HTTPException: 404, the channel is gone.
        """
        try:
            schedule = await schedule_channel(self._services, channel.id, every_s)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        except NotStoredError:
            raise HTTPException(404, "that channel is gone") from None
        await self._dashboard.operator(request).record(
            "schedule", channel.id, _often(every_s), "done"
        )
        return schedule

    async def remove(self, request: Request, channel: ChannelRecord) -> bool:
        """Sync *channel* on request only; whether it had a schedule."""
        was = await self._services.store.schedules.remove(channel.id)
        await self._dashboard.operator(request).record(
            "unschedule", channel.id, outcome="done" if was else "nothing: it had none"
        )
        return was

    async def channel(self, channel_id: str) -> ChannelRecord:
        """
        The channel of this id.

        Raises:
            HTTPException: 404, there is none.
        """
        found = await self._services.store.channels.find(channel_id)
        if found is None:
            raise HTTPException(404, "there is no such channel")
        return found

    async def schedule(self, channel_id: str) -> ChannelSchedule | None:
        """The channel's schedule; None if it is synced on request only."""
        return await self._services.store.schedules.find(channel_id)


def schedule_routes(dashboard: Dashboard, schedules: ChannelSchedules) -> list[BaseRoute]:
    """The page of all schedules, and the form that changes one."""

    async def all_schedules(request: Request) -> Response:
        found, more = await schedules.page(request.query_params.get("after"), _PAGE)
        return dashboard.render(
            request,
            "channel_schedules.html.j2",
            scheduled=found,
            after=more,
            every=write_interval,
            how_often=how_often,
        )

    async def change(request: Request) -> Response:
        channel = await schedules.channel(request.query_params.get("id", ""))
        form = await request.form()
        back = str(form.get("back") or "/channels/schedules")
        if form.get("off"):
            was = await schedules.remove(request, channel)
            outcome = "is synced on request only." if was else "had no schedule."
            return dashboard.back(request, back, f"{channel.title or channel.id} {outcome}")
        try:
            every_s = read_interval(str(form.get("every", "")))
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        await schedules.set(request, channel, every_s)
        often = _often(every_s)
        return dashboard.back(
            request, back, f"{channel.title or channel.id} is synced by itself, {often}."
        )

    return [
        Route("/channels/schedules", all_schedules),
        Route("/channels/schedule", change, methods=["POST"]),
    ]


def schedule_endpoints(schedules: ChannelSchedules) -> list[Endpoint]:
    """The same for programs."""

    async def all_schedules(request: Request) -> SchedulePage:
        limit = whole_number(request, "limit", _PAGE, _MOST)
        found, more = await schedules.page(request.query_params.get("after"), limit)
        return SchedulePage([one.schedule for one in found], more)

    async def one_schedule(request: Request) -> ChannelSchedule | None:
        return await schedules.schedule(request.path_params["channel_id"])

    async def change(request: Request) -> ChannelSchedule:
        body = await body_of(request, IntervalBody)
        channel = await schedules.channel(request.path_params["channel_id"])
        return await schedules.set(request, channel, body.every_s)

    async def remove(request: Request) -> Done:
        channel = await schedules.channel(request.path_params["channel_id"])
        return Done(done=await schedules.remove(request, channel))

    base = "/api/channel-schedules"
    path = base + "/{channel_id:path}"
    channel_id = {
        "channel_id": Annotated[str, Field(description="Id of the channel.", min_length=1)]
    }
    page = {
        "after": Annotated[str, Field(description="`after` of the page before.")],
        "limit": Annotated[int, Field(description="Schedules on a page.", ge=1, le=_MOST)],
    }
    return [
        Endpoint("GET", base, "List the schedules of channels", SchedulePage, all_schedules, page),
        Endpoint(
            "GET", path, "Show a channel's schedule", ChannelSchedule, one_schedule, channel_id
        ),
        Endpoint(
            "POST",
            path,
            "Sync a channel on its own",
            ChannelSchedule,
            change,
            channel_id,
            IntervalBody,
        ),
        Endpoint("DELETE", path, "Sync a channel on request only", Done, remove, channel_id),
    ]


def _position(text: str) -> tuple[datetime, str]:
    due, _, channel_id = text.partition(" ")
    try:
        due_at = datetime.fromisoformat(due)
    except ValueError:
        due_at = None
    if due_at is None or due_at.tzinfo is None:
        raise ConfigurationError("`after` is not a position in this list: start from the top")
    return due_at, channel_id


def _often(every_s: int | None) -> str:
    return "as often as it publishes" if every_s is None else how_often(every_s)
