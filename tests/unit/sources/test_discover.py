"""Discovery: every file of a folder is a source, an error or skipped, and stops no other."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from jobs.sources import Skipped, SourceError, discover
from tests.unit.sources.csv.csv_text import mapping_named

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.sources import Finding
    from tests.unit.sources.conftest import Write

DAILY = "date_utc,channel_id,views\n2026-01-17,c,5\n"
RSS = "<rss version='2.0'><channel><title>Show</title></channel></rss>"


def found_in(finding: Finding, folder: Path) -> tuple[str, str]:
    """Return where the finding is, below *folder*, and what it is."""
    match finding:
        case SourceError(location=location):
            kind = "error"
        case Skipped(location=location):
            kind = "skipped"
        case _:
            location, kind = finding.ref.location, finding.ref.kind
    return location.removeprefix(f"{folder}/"), kind


async def test_a_folder_is_walked(write: Write, tmp_path: Path) -> None:
    """Subfolders are entered; each file is recognised by itself, and damage stops nothing."""
    write("a/daily.csv", DAILY)
    write("a/cut.csv.gz", gzip.compress(DAILY.encode() * 99)[:-9])
    write("b/feed.xml", RSS)
    write("b/page.xml", "<html><title>404</title></html>")
    write("b/empty.xml", "")
    write("README.md", "# Read me\n")
    write("logo.png", b"\x89PNG\r\n\x1a\n")
    write(".hidden/daily.csv", DAILY)
    findings = [found_in(finding, tmp_path) for finding in await discover(str(tmp_path))]
    assert findings == [
        ("README.md", "skipped"),
        ("logo.png", "skipped"),
        ("a/cut.csv.gz", "error"),
        ("a/daily.csv", "csv"),
        ("b/empty.xml", "error"),
        ("b/feed.xml", "feed"),
        ("b/page.xml", "error"),
    ]


async def test_a_file_named_by_itself_is_never_skipped(write: Write) -> None:
    """A file named by itself is meant, so one that is no source is an error."""
    (finding,) = await discover(write("README.md", "# Read me\n"))
    assert isinstance(finding, SourceError)


async def test_a_folder_without_sources_is_an_error(write: Write, tmp_path: Path) -> None:
    """Other files are skipped; that there is nothing else is an error."""
    write("README.md", "# Read me\n")
    skipped, error = await discover(str(tmp_path))
    assert isinstance(skipped, Skipped)
    assert "holds no source: 1 file of no known form" in str(error)


async def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    """A folder with nothing in it says so."""
    (error,) = await discover(str(tmp_path))
    assert str(error).startswith(f"{tmp_path}: is empty")


async def test_a_missing_place_is_an_error(tmp_path: Path) -> None:
    """A path with nothing there gives an error, and raises none."""
    (error,) = await discover(str(tmp_path / "none"))
    assert "does not exist" in str(error)


async def test_links_to_folders_are_not_followed(write: Write, tmp_path: Path) -> None:
    """A link back up does not make a folder endless; a dead link is an error."""
    write("daily.csv", DAILY)
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "dead.csv").symlink_to(tmp_path / "gone.csv")
    findings = [found_in(finding, tmp_path) for finding in await discover(str(tmp_path))]
    assert findings == [("daily.csv", "csv"), ("dead.csv", "error")]


async def test_samples_are_one_source() -> None:
    """The generated samples are discovered like any other source."""
    (finding,) = await discover("samples:")
    assert not isinstance(finding, SourceError | Skipped)
    assert finding.ref.kind == "samples"


async def test_a_list_read_with_another_is_no_source_of_its_own(
    write: Write, tmp_path: Path
) -> None:
    """It is skipped, and the line names the list that it was read with."""
    write(
        "videos.csv",
        "channel,title,view_count,like_count,upload_date,duration\n"
        "Jess,Pisau!,31762,18,2023-06-04T02:00:19Z,PT10S\n",
    )
    write("channels.csv", "channel_name,sub_count,view_count,vid_count\nJess,272,336,20\n")
    findings = await discover(str(tmp_path), mapping=mapping_named("gaming_videos"))
    assert [found_in(finding, tmp_path) for finding in findings] == [
        ("channels.csv", "skipped"),
        ("videos.csv", f"csv+{mapping_named('gaming_videos')}"),
    ]
    assert findings[0] == Skipped(str(tmp_path / "channels.csv"), "was read with videos.csv")
