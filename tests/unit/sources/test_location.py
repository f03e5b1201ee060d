"""What a location names, by its spelling and what lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.sources.location import (
    FilePath,
    FolderPath,
    Location,
    SampleName,
    WebAddress,
    YoutubeLocation,
    parse,
)
from jobs.sources.source import SourceError
from jobs.sources.youtube.name import NameKind, YoutubeName


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("samples:", SampleName()),
        ("samples", SampleName()),
        ("samples:podcast", SampleName("podcast")),
        (
            "youtube:@handle",
            YoutubeLocation("youtube:@handle", YoutubeName(NameKind.HANDLE, "@handle")),
        ),
        ("https://example.org/feed.xml", WebAddress("https://example.org/feed.xml")),
        ("FTP://example.org/x", WebAddress("FTP://example.org/x")),
        ("/nowhere/list.csv", FilePath("/nowhere/list.csv")),
        ("/nowhere/zero\0byte", FilePath("/nowhere/zero\0byte")),
        ("~/list.csv", FilePath(str(Path.home() / "list.csv"))),
    ],
)
def test_a_location_is_what_its_spelling_says(text: str, location: Location) -> None:
    """Each kind has its own type, and keeps how it was written."""
    assert parse(text) == location


def test_a_location_on_disk_is_a_file_or_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths become absolute, so that a worker elsewhere finds the same."""
    (tmp_path / "data").mkdir()
    (tmp_path / "samples").mkdir()
    (tmp_path / "data" / "list.csv").touch()
    monkeypatch.chdir(tmp_path)
    assert parse("data") == FolderPath(str(tmp_path / "data"))
    assert parse("samples") == FolderPath(str(tmp_path / "samples"))
    assert parse("data/list.csv") == FilePath(str(tmp_path / "data" / "list.csv"))


@pytest.mark.parametrize("text", ["samples:", "samples:tv", "https://h/x", "youtube:@a", "/no/x"])
def test_a_parsed_location_is_parsed_again_alike(text: str) -> None:
    """Its text is stored, and means the same when it is read back."""
    assert parse(parse(text).text) == parse(text)


def test_a_youtube_location_without_a_channel_is_an_error() -> None:
    """Addresses of other things on YouTube are refused when they are parsed."""
    with pytest.raises(SourceError, match=r"names no channel on YouTube\. Write youtube:@handle"):
        parse("https://www.youtube.com/feed/trending")


@pytest.mark.parametrize("path", ["~nobody-at-all/a.csv", "~zero\0byte", "~\ud800"])
def test_a_home_of_nobody_is_a_path(path: str) -> None:
    """Found by fuzzing: it names a file that does not exist, and ends no run."""
    found = parse(path)
    assert isinstance(found, FilePath)
    assert found.text.endswith(f"/{path}")
