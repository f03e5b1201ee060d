"""A real HTTP server on this machine that speaks as the YouTube Data API does, faults included."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer in place of the right one."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: what for, with which parameters, and by which headers (in lower case)."""

    resource: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    line: str


@dataclass(eq=False)
class YoutubeServer:
    """
    Answers from *channels*, *uploads* (by playlist, newest first) and *videos*, by their ids.

    handles, users: name → channel id. faults: taken first, one for each request.
    """

    channels: dict[str, Json] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, list[Json]] = field(default_factory=dict)
    videos: dict[str, Json] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def add_channel(self, channel_id: str, *, subscribers: int = 1230, videos: int = 0) -> None:
        """Add a channel without uploads."""
        playlist = f"UU{channel_id[2:]}"
        self.channels[channel_id] = {
            "id": channel_id,
            "snippet": {"title": f"Channel {channel_id[-1]}"},
            "contentDetails": {"relatedPlaylists": {"uploads": playlist}},
            "statistics": {
                "viewCount": "1000",
                "subscriberCount": str(subscribers),
                "hiddenSubscriberCount": False,
                "videoCount": str(videos),
            },
        }
        self.uploads[playlist] = []

    def publish(self, channel_id: str, video_id: str, published_at: str, views: int = 7) -> None:
        """Publish a video, the channel's newest."""
        entry = {"contentDetails": {"videoId": video_id, "videoPublishedAt": published_at}}
        self.uploads[f"UU{channel_id[2:]}"].insert(0, entry)
        self.videos[video_id] = {
            "id": video_id,
            "snippet": {
                "title": f"Video {video_id}",
                "publishedAt": published_at,
                "channelId": channel_id,
                "categoryId": "28",
                "tags": ["one", "two"],
            },
            "contentDetails": {"duration": "PT1M5S"},
            "statistics": {"viewCount": str(views), "likeCount": "3", "commentCount": "0"},
        }
        statistics = self.channels[channel_id]["statistics"]
        statistics["videoCount"] = str(int(statistics["videoCount"]) + 1)

    def take_down(self, channel_id: str, video_id: str) -> None:
        """Remove a video."""
        playlist = self.uploads[f"UU{channel_id[2:]}"]
        playlist[:] = [one for one in playlist if one["contentDetails"]["videoId"] != video_id]
        del self.videos[video_id]

    @property
    def resources(self) -> list[str]:
        """Return what was asked for, in order."""
        return [asked.resource for asked in self.asked]

    def _answer(self, asked: Asked) -> Fault:
        if self.faults:
            return self.faults.popleft()
        items, following = self._items(asked.resource, asked.parameters)
        if items is None:
            error = {"code": 404, "errors": [{"reason": "playlistNotFound"}]}
            return Fault(404, json.dumps({"error": error}).encode())
        body = json.dumps({"items": items} | ({"nextPageToken": following} if following else {}))
        etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:16]}"'
        if asked.headers.get("if-none-match") == etag:
            return Fault(304, headers={"ETag": etag})
        return Fault(200, body.encode(), {"ETag": etag})

    def _items(
        self, resource: str, parameters: Mapping[str, str]
    ) -> tuple[list[Json] | None, str | None]:
        match resource:
            case "channels":
                found = (
                    self.handles.get(parameters.get("forHandle", ""))
                    or self.users.get(parameters.get("forUsername", ""))
                    or parameters.get("id", "")
                )
                return [self.channels[found]] if found in self.channels else [], None
            case "videos":
                ids = parameters["id"].split(",")
                assert len(ids) <= 50, "the interface takes no more"
                return [self.videos[one] for one in ids if one in self.videos], None
            case _:
                entries = self.uploads.get(parameters["playlistId"])
                start, size = int(parameters.get("pageToken", 0)), int(parameters["maxResults"])
                if entries is None:
                    return None, None
                rest = len(entries) > start + size
                return entries[start : start + size], str(start + size) if rest else None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client closes it."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                asked = _asked(head)
                self.asked.append(asked)
                answer = self._answer(asked)
                headers = {"Content-Length": str(len(answer.body)), **answer.headers}
                lines = [f"HTTP/1.1 {answer.status} X", *(f"{k}: {v}" for k, v in headers.items())]
                writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
                await writer.drain()
        writer.close()


def _asked(head: list[str]) -> Asked:
    url = urlsplit(head[0].split(" ")[1])
    headers = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    return Asked(
        url.path.rpartition("/")[2],
        {name: values[0] for name, values in parse_qs(url.query).items()},
        {name.lower(): value for name, value in headers.items()},
        head[0],
    )


@asynccontextmanager
async def serving_youtube() -> AsyncIterator[YoutubeServer]:
    """Run a server on a free port of 127.0.0.1."""
    youtube = YoutubeServer()
    server = await asyncio.start_server(youtube.serve, "127.0.0.1", 0)
    youtube.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/youtube/v3"
    async with server:
        yield youtube
        server.close()
