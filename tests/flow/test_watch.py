"""`--watch` in a real terminal: a list that stays in its place, until Ctrl-C."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from jobs import sync_channel
from tests.tmux import terminal

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux: it is the terminal here"),
    pytest.mark.timeout(240),
]


@pytest.mark.usefixtures("redis")
async def test_watched_list_is_redrawn_in_its_place(redis_url: str, tmp_path: Path) -> None:
    """New jobs show, more than fit are counted, and what was seen last stays on the screen."""
    command = "jobs ls --watch --limit 100"
    with terminal(tmp_path, redis_url, command, size=(80, 12)) as tmux:
        await tmux.until("No jobs.")
        first = tmux("capture-pane", "-p").splitlines()[0]
        assert first.startswith("pipeline jobs ls · ")
        assert first.endswith("Ctrl-C ends it")
        await sync_channel.enqueue_many([{"channel_id": f"UC{one}"} for one in range(20)])
        await tmux.until("… 13 lines more")
        assert tmux("capture-pane", "-p").splitlines()[0].startswith("pipeline jobs ls · ")
        tmux("send-keys", "C-c")
        await tmux.until("ended with 0")
        assert "20 of 20" in tmux("capture-pane", "-p")
