"""Attempts at jobs, without a worker around them."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from runner.context import Context
from runner.decorator import job


@job(queue="analytics", redact=["email"])
async def analyze_channel(
    ctx: Context, channel_id: str, api_token: str = "", email: str = ""
) -> str:
    """Do nothing: each test has a handler of its own."""
    raise NotImplementedError(ctx.job_id, channel_id, api_token, email)


@job(queue="analytics", timeout_s=0.05)
async def impatient(ctx: Context) -> None:
    """Do nothing, with a timeout of 0.05 s."""
    raise NotImplementedError(ctx.job_id)


class MakeContext(Protocol):
    """Creates an attempt at `analyze_channel`, with the given fields."""

    def __call__(self, **fields: Any) -> Context:
        """Create one."""
        ...


@pytest.fixture
def make_context() -> MakeContext:
    """Return what creates attempts."""

    def make(**fields: Any) -> Context:
        plain: dict[str, Any] = {
            "job": impatient if fields.pop("impatient", False) else analyze_channel,
            "job_id": "j1",
            "queue": "analytics",
            "attempt": 1,
            "max_retries": 5,
            "enqueued_ms": 1_769_817_600_000,
        }
        return Context(**plain | fields)

    return make
