"""Every reporter gets each failure, and none can hold up the others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from runner.reporters.fan_out import FanOut

if TYPE_CHECKING:
    from runner.reporters import Failure


class _Recorder:
    def __init__(self) -> None:
        self.job_ids: list[str] = []
        self.closed = False
        self.arrived = asyncio.Event()

    async def report(self, failure: Failure, /) -> None:
        self.job_ids.append(failure.job_id)
        self.arrived.set()

    async def close(self) -> None:
        self.closed = True


class _Broken:
    async def report(self, failure: Failure, /) -> None:
        raise ConnectionError(failure.job_id)


class _Hanging:
    def __init__(self) -> None:
        self.entered = asyncio.Event()

    async def report(self, failure: Failure, /) -> None:
        self.entered.set()
        await asyncio.Event().wait()
        raise NotImplementedError(failure)


async def test_fan_out_gives_each_failure_to_all(failure: Failure) -> None:
    """In order; leaving the block delivers the rest, and closes the reporters."""
    first, second = _Recorder(), _Recorder()

    async with FanOut([first, second]) as reporters:
        for number in range(3):
            await reporters.report(replace(failure, job_id=f"j{number}"))

    assert first.job_ids == second.job_ids == ["j0", "j1", "j2"]
    assert first.closed
    assert second.closed


async def test_fan_out_goes_on_past_a_broken_and_a_hanging_reporter(failure: Failure) -> None:
    """The others get the failure at once; the fault is logged once, not for each failure."""
    recorder = _Recorder()

    with structlog.testing.capture_logs() as lines:
        fan_out = FanOut([_Broken(), _Hanging(), recorder], limit_s=0.01)
        for _ in range(5):
            await fan_out.report(failure)
        await fan_out.close()

    assert len(recorder.job_ids) == 5
    faults = sorted((line["reporter"], line["error"]) for line in lines)
    assert faults == [("_Broken", "ConnectionError: j1"), ("_Hanging", "TimeoutError")]


async def test_fan_out_drops_what_a_slow_reporter_cannot_take(failure: Failure) -> None:
    """No more failures wait than the limit; dropped ones are logged, and `report` never waits."""
    hanging = _Hanging()
    fan_out = FanOut([hanging], waiting=2)

    with structlog.testing.capture_logs() as lines:
        await fan_out.report(failure)
        await hanging.entered.wait()
        for _ in range(10):
            await fan_out.report(failure)
        await fan_out.close(limit_s=0.01)

    assert [line["event"] for line in lines] == [
        "reports dropped, the reporter is too slow",
        "reports lost at shutdown",
    ]
    assert lines[1]["reports"] == 3


async def test_fan_out_does_not_log_under_the_failed_job(failure: Failure) -> None:
    """Delivery starts inside some job; its later lines must not have that job's context."""
    seen: list[dict[str, object]] = []

    class Looking(_Recorder):
        async def report(self, failure: Failure, /) -> None:
            seen.append(structlog.contextvars.get_contextvars())
            await super().report(failure)

    async with FanOut([Looking()]) as fan_out:
        with structlog.contextvars.bound_contextvars(job_id="the first to fail"):
            await fan_out.report(failure)
    assert seen == [{}]


async def test_fan_out_that_had_nothing_to_report_closes_its_reporters() -> None:
    """Closing works without a single failure."""
    recorder = _Recorder()

    async with FanOut([recorder]):
        pass

    assert recorder.closed
