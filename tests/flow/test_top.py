"""`pipeline top` in a real terminal: what it shows, and what its keys do to Redis."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from jobs import sync_channel
from runner import JobState
from runner.operations.actions import Operator, Request
from runner.operations.verbs import Action
from tests.tmux import terminal

if TYPE_CHECKING:
    from pathlib import Path

    from runner import QueueClient

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux: it is the terminal here"),
    pytest.mark.timeout(240),
]


async def test_dead_job_is_retried_in_a_terminal(
    redis: QueueClient, redis_url: str, tmp_path: Path
) -> None:
    """A person sees the dead job, retries it by key, sees it go, and quits."""
    handle = await sync_channel.options(job_id="buried", delay_s=600).enqueue(channel_id="UC1")
    await Operator(redis, "tester").act(Request(Action.BURY), sync_channel.queue, "buried")

    with terminal(tmp_path, redis_url) as tmux:
        await tmux.until("recommendations")
        tmux("send-keys", "5")
        await tmux.until("Buried: buried by")
        tmux("send-keys", "R")
        await tmux.until("Run sync_channel buried~")
        tmux("send-keys", "y")
        await tmux.until(": due now")
        assert await handle.state() is JobState.READY
        tmux("send-keys", "q")
        await tmux.until("ended with 0")
