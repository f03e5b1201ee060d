"""
One connection of uvicorn's that ends if its client holds it open and does nothing.

uvicorn closes a connection that is idle between two requests. It waits for ever for a request of
which only a part arrives, and for a client that does not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from runner import clock

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

_log = structlog.get_logger("runner.web")


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """
    What clients may hold open.

    Attributes:
        connections: The most connections at a time. The next one takes the place of the one that
            has waited longest for its request; if all are being answered, it is closed.
        request_s: How long a request may take to arrive, its body included, in seconds.
        answer_s: How long a client may leave an answer unread, in seconds.
    """

    connections: int = 500
    request_s: float = 20.0
    answer_s: float = 30.0


def bounded(limits: ConnectionLimits) -> type[H11Protocol]:
    """Return uvicorn's protocol, held to *limits*."""

    class Bounded(_Bounded):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.limits = limits

    return Bounded


class _Bounded(H11Protocol):
    limits: ConnectionLimits
    waits_since: float | None = None
    """When it began to wait for a request; None while one is answered."""

    _request_deadline: asyncio.TimerHandle | None = None
    _answer_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            self._expect_reader()  # a refusal was sent
        elif self._has_whole_request():
            self._expect_nothing()
        else:
            self._expect_request()

    def on_response_complete(self) -> None:
        self._expect_nothing()
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_reader()
        elif self.cycle.response_complete:
            # Between two requests uvicorn's own, shorter limit holds.
            self.waits_since = clock.monotonic()
        elif not self._has_whole_request():
            self._expect_request()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._expect_reader()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answer_deadline is not None and not self.transport.is_closing():
            self._answer_deadline.cancel()
            self._answer_deadline = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        if self._answer_deadline is not None:
            self._answer_deadline.cancel()
        super().connection_lost(exc)

    def _has_whole_request(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _expect_request(self) -> None:
        """From the first byte, or from the connection, the time runs until the last byte."""
        if self._request_deadline is None:
            self.waits_since = clock.monotonic()
            self._request_deadline = self.loop.call_later(
                self.limits.request_s, self.transport.abort
            )

    def _expect_nothing(self) -> None:
        self.waits_since = None
        if self._request_deadline is not None:
            self._request_deadline.cancel()
            self._request_deadline = None

    def _expect_reader(self) -> None:
        if self._answer_deadline is None:
            self._look_at_reader_later(self.transport.get_write_buffer_size())

    def _look_at_reader_later(self, unread: int) -> None:
        self._answer_deadline = self.loop.call_later(
            self.limits.answer_s, self._look_at_reader, unread
        )

    def _look_at_reader(self, before: int) -> None:
        """A slow reader may go on; one that read nothing is closed."""
        if (unread := self.transport.get_write_buffer_size()) < before:
            self._look_at_reader_later(unread)
        else:
            self.transport.abort()

    def _make_room(self) -> None:
        waiting = [
            one
            for one in cast("set[_Bounded]", self.connections)
            if one is not self and one.waits_since is not None
        ]
        if waiting:
            min(waiting, key=lambda one: one.waits_since or 0.0).transport.abort()
            return
        _log.warning("too many connections: one was closed", most=self.limits.connections)
        self.transport.abort()
