"""How often channels are synced by themselves: seen and changed, by people and by programs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.routing import Route

from jobs.scheduling import (
    LONGEST_S,
    SHORTEST_S,
    read_interval,
    schedule_channel,
    write_interval,
)
from jobs.store import NotStoredError
from runner.errors import ConfigurationError
from runner.web.api import Endpoint, json_object, shape, whole_number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from jobs.channel.records import ChannelRecord
    from jobs.services import Services
    from jobs.store import ChannelSchedule, ScheduledChannel
    from runner.web.dashboard import Dashboard

_PAGE = 50
_MOST = 500
_PATH = "/api/channel-schedules/{channel_id:path}"
_SCHEDULE = shape(
    channel_id={"type": "string"},
    every_s={"type": ["integer", "null"], "description": "null: it adapts to what is published"},
    interval_s={"type": "integer"},
    due_at={"type": "string", "format": "date-time"},
)
_ASKED = {
    **shape(every_s={"type": ["integer", "null"], "minimum": SHORTEST_S, "maximum": LONGEST_S}),
    "additionalProperties": False,
}


class ChannelSchedules:
    """Changes schedules on an operator's word, and writes down that it was done."""

    def __init__(self, dashboard: Dashboard, services: Services) -> None:
        self._dashboard = dashboard
        self._services = services

    async def page(
        self, after: str | None, limit: int
    ) -> tuple[list[ScheduledChannel], str | None]:
        """The next *limit* scheduled channels, those that are due first, and where others start."""
        start = None if not after else _position(after)
        found = await self._services.store.schedule_page(start, limit + 1)
        if len(found) <= limit:
            return found, None
        last = found[limit - 1].schedule
        return found[:limit], f"{last.due_at.isoformat()} {last.channel_id}"

    async def set(
        self, request: Request, channel: ChannelRecord, every_s: int | None
    ) -> ChannelSchedule:
        """
        Sync *channel* by itself, as often as asked.

        Raises:
            ConfigurationError: That is no interval for a channel.
        """
        try:
            schedule = await schedule_channel(self._services, channel.id, every_s)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        except NotStoredError:
            raise HTTPException(404, "that channel is gone") from None
        await self._dashboard.operator(request).record(
            "schedule", channel.id, f"every {write_interval(every_s)}", "done"
        )
        return schedule

    async def remove(self, request: Request, channel: ChannelRecord) -> bool:
        """Sync *channel* when asked to only; whether it was scheduled."""
        was = await self._services.store.remove_schedule(channel.id)
        await self._dashboard.operator(request).record(
            "unschedule", channel.id, outcome="done" if was else "nothing: it had none"
        )
        return was

    async def channel(self, channel_id: str) -> ChannelRecord:
        """The channel of that id, or there is no such page."""
        found = await self._services.store.channel(channel_id)
        if found is None:
            raise HTTPException(404, "there is no such channel")
        return found

    async def schedule(self, channel_id: str) -> ChannelSchedule | None:
        """The channel's schedule, None for one that is synced when asked to."""
        return await self._services.store.schedule(channel_id)


def schedule_routes(dashboard: Dashboard, schedules: ChannelSchedules) -> list[BaseRoute]:
    """For people: all schedules, and the form that changes one."""

    async def all_schedules(request: Request) -> Response:
        found, more = await schedules.page(request.query_params.get("after"), _PAGE)
        return dashboard.render(
            request, "channel_schedules.html.j2", scheduled=found, after=more, every=write_interval
        )

    async def change(request: Request) -> Response:
        channel = await schedules.channel(request.query_params.get("id", ""))
        form = await request.form()
        back = str(form.get("back") or "/channels/schedules")
        if form.get("off"):
            was = await schedules.remove(request, channel)
            told = "is synced when asked to only." if was else "had no schedule."
            return dashboard.back(request, back, f"{channel.title or channel.id} {told}")
        try:
            every_s = read_interval(str(form.get("every", "")))
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        await schedules.set(request, channel, every_s)
        often = (
            "as often as it publishes" if every_s is None else f"every {write_interval(every_s)}"
        )
        return dashboard.back(
            request, back, f"{channel.title or channel.id} is synced by itself, {often}."
        )

    return [
        Route("/channels/schedules", all_schedules),
        Route("/channels/schedule", change, methods=["POST"]),
    ]


def schedule_endpoints(schedules: ChannelSchedules) -> list[Endpoint]:
    """For programs: the same."""

    async def list_all(request: Request) -> Any:
        limit = whole_number(request, "limit", _PAGE, _MOST)
        found, more = await schedules.page(request.query_params.get("after"), limit)
        return {"schedules": [one.schedule for one in found], "after": more}

    async def look(request: Request) -> Any:
        return await schedules.schedule(request.path_params["channel_id"])

    async def change(request: Request) -> Any:
        asked = await json_object(request, {"every_s"})
        if "every_s" not in asked:
            raise HTTPException(400, "say every_s: seconds, or null for as often as it publishes")
        every_s = asked["every_s"]
        if every_s is not None and (isinstance(every_s, bool) or not isinstance(every_s, int)):
            raise HTTPException(400, "every_s is a whole number of seconds, or null")
        channel = await schedules.channel(request.path_params["channel_id"])
        return await schedules.set(request, channel, every_s)

    async def remove(request: Request) -> Any:
        channel = await schedules.channel(request.path_params["channel_id"])
        return {"done": await schedules.remove(request, channel)}

    return [
        Endpoint(
            "GET",
            "/api/channel-schedules",
            "Channels that are synced by themselves, those due first, page by page",
            shape(
                schedules={"type": "array", "items": _SCHEDULE}, after={"type": ["string", "null"]}
            ),
            list_all,
            {
                "after": {"type": "string"},
                "limit": {"type": "integer", "minimum": 1, "maximum": _MOST},
            },
        ),
        Endpoint("GET", _PATH, "One channel's schedule", _SCHEDULE, look),
        Endpoint("POST", _PATH, "Sync it by itself, so often", _SCHEDULE, change, body=_ASKED),
        Endpoint(
            "DELETE", _PATH, "Sync it when asked to only", shape(done={"type": "boolean"}), remove
        ),
    ]


def _position(text: str) -> tuple[datetime, str]:
    due, _, channel_id = text.partition(" ")
    try:
        due_at = datetime.fromisoformat(due)
    except ValueError:
        due_at = None
    if due_at is None or due_at.tzinfo is None:
        raise ConfigurationError("that place in the list is none; start from the top")
    return due_at, channel_id
