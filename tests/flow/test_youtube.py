"""`pipeline run youtube:@handle`: a channel by its handle, or one line that says what to do."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.unit.sources.youtube.youtube_server import YoutubeServer, serving_youtube

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.pipeline_command import Commands

pytestmark = pytest.mark.timeout(480)

UC = "UC0000000000000000000001"
KEY = "AIza-not-a-real-key-0123456789"


@contextmanager
def _youtube() -> Iterator[YoutubeServer]:
    """Run the server in a thread: the commands are waited for in this one."""
    started = threading.Event()
    found: list[YoutubeServer] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving_youtube() as server:
            found.append(server)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    started.wait()
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def test_channel_is_run_by_its_handle(commands: Commands) -> None:
    """From a handle to reports; run again it asks for little; the key is written nowhere."""
    commands.limit_s = 220.0  # analysing and drawing, twice: a loaded machine takes its time
    with _youtube() as youtube:
        youtube.add_channel(UC)
        youtube.handles["@One"] = UC
        for day in range(1, 29):
            youtube.publish(UC, f"v{day:010}", f"2026-02-{day:02}T12:00:00Z", views=day * 100)
        variables = {"YOUTUBE_API_KEY": KEY, "YOUTUBE_API_URL": youtube.url}
        first = commands.run("pipeline", "run", "youtube:@One", "--json", **variables)
        asked = len(youtube.asked)
        again = commands.run(
            "pipeline", "run", f"youtube:{UC}", "--no-reports", "--json", **variables
        )

        printed = commands.run("pipeline", "report", UC, "--format", "pdf", "-o", "report.pdf")

    assert (first.status, again.status) == (0, 0), first.err + again.err
    assert printed.status == 0, printed.err
    assert (commands.folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert f"youtube:{UC}: YouTube channel 'Channel 1', 1,230 subscribers, 28 videos" in first.err
    assert (first.document["channels"], first.document["items"]) == (1, 28)
    assert asked == 4
    assert len(youtube.asked) - asked == 3
    for path in commands.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


def test_without_a_key_one_line_says_what_to_do(commands: Commands) -> None:
    """The key, or the feed that needs none."""
    ended = commands.run("pipeline", "run", f"https://www.youtube.com/channel/{UC}")

    assert ended.status == 2
    [line, *_] = ended.messages
    assert "needs a key of the YouTube Data API. Set YOUTUBE_API_KEY" in line
    assert f"feeds/videos.xml?channel_id={UC}" in line


def test_used_up_quota_is_told_with_its_end(commands: Commands) -> None:
    """Nothing is asked past the budget, and the line says when it goes on."""
    with _youtube() as youtube:
        variables = {"YOUTUBE_API_KEY": KEY, "YOUTUBE_API_URL": youtube.url}
        ended = commands.run(
            "pipeline", "run", "youtube:@One", YOUTUBE_QUOTA_PER_DAY="0", **variables
        )
        assert youtube.asked == []

    assert ended.status == 2
    assert "quota of 0 units" in ended.err
    assert "midnight Pacific time" in ended.err
