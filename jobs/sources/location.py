"""
What a location names; `parse` is the one place that reads its spelling.

    samples:, samples:NAME, samples     SampleName, the last unless there is a file of that name
    youtube:…, an address of the site   YoutubeLocation
    SCHEME://…                          WebAddress
    anything else is a path             FolderPath where there is a folder, else FilePath
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from jobs.sources.source import is_address
from jobs.sources.youtube.name import is_youtube, youtube_name

if TYPE_CHECKING:
    from jobs.sources.youtube.name import YoutubeName

_SAMPLES = "samples:"


@dataclass(frozen=True, slots=True)
class SampleName:
    """Generated samples: all of them (`samples:`), or the one of a *name*."""

    name: str = ""

    @property
    def text(self) -> str:
        """How it is written."""
        return f"{_SAMPLES}{self.name}"


@dataclass(frozen=True, slots=True)
class YoutubeLocation:
    """A channel on YouTube, by one of its names; *text* is how that was written."""

    text: str
    name: YoutubeName


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An address of any scheme; only http and https are ever fetched."""

    text: str


@dataclass(frozen=True, slots=True)
class FilePath:
    """The absolute path of a file, or of nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class FolderPath:
    """The absolute path of a folder."""

    text: str


Location: TypeAlias = SampleName | YoutubeLocation | WebAddress | FilePath | FolderPath


def parse(text: str) -> Location:
    """
    Return what *text* names; a path becomes absolute, so that it means the same in any process.

    Raises:
        SourceError: It is a location on YouTube that names no channel.
    """
    if is_youtube(text):
        return YoutubeLocation(text, youtube_name(text))
    if text.startswith(_SAMPLES):
        return SampleName(text.removeprefix(_SAMPLES))
    if f"{text}:" == _SAMPLES and not Path(text).exists():  # as one says it
        return SampleName()
    if is_address(text):
        return WebAddress(text)
    path = absolute(text)
    is_folder = os.path.isdir(path)  # noqa: PTH112 -- Path.is_dir raises where it may not look
    return FolderPath(path) if is_folder else FilePath(path)


def absolute(path: str) -> str:
    """Return *path* from the root, with `~` replaced if there is such a user."""
    with suppress(ValueError):  # no user has a zero byte in their name
        path = os.path.expanduser(path)  # noqa: PTH111 -- Path's raises where there is no such user
    return str(Path(path).absolute())
