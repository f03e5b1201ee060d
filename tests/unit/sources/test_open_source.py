"""Opening a source: by content, once per state of its file, or one clear line."""

from __future__ import annotations

import asyncio
import gzip
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.sources import document
from jobs.sources.header import Header, header_of
from jobs.sources.open_source import open_source
from jobs.sources.source import SourceError, UnrecognisedError
from runner.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.sources.conftest import Write

DAILY = "date_utc,channel_id,views\n2026-01-17,c,5\n"
VIDEOS = "snapshot_utc,channel_id,video_id,view_count\n2026-01-17,c,v,5\n"
RSS = "<rss version='2.0'><channel><title>Show</title></channel></rss>"


def _packed(content: bytes) -> bytes:
    """The same bytes at any time: they name the tests, and every process must name them alike."""
    return gzip.compress(content, mtime=0)


async def failure(location: str, kind: str | None = None) -> SourceError:
    """Open what cannot be opened, and return the error: one line that names it."""
    with pytest.raises(SourceError) as error:
        await open_source(location, kind)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{visible(location)}: ")
    return error.value


@pytest.mark.parametrize(("content", "kind"), [(DAILY, "csv"), (VIDEOS, "csv"), (RSS, "feed")])
@pytest.mark.parametrize("name", ["data.csv", "data.xml", "data", "data.gz", "README.md"])
async def test_content_decides_not_the_name(
    write: Write, content: str, kind: str, name: str
) -> None:
    """Only content decides what a source is: not its name, and not whether it is packed."""
    plain = await open_source(write(name, content))
    packed = await open_source(write(f"packed/{name}", gzip.compress(content.encode())))
    assert plain.ref.kind == packed.ref.kind == kind


async def test_markup_in_a_cell_makes_no_feed_of_a_table(write: Write) -> None:
    """A title may contain anything: columns decide first."""
    titled = "date_utc,channel_id,channel_title,views\n2026-01-17,c,How <rss > works,5\n"
    assert (await open_source(write("daily.csv", titled))).ref.kind == "csv"


async def test_a_feed_behind_other_output_is_a_feed(write: Write) -> None:
    """Output of the server before the feed, such as a warning, is skipped."""
    assert (await open_source(write("feed", f"Warning: x\n{RSS}"))).ref.kind == "feed"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("content", [DAILY, VIDEOS, RSS])
async def test_byte_order_marks_do_no_harm(write: Write, content: str, encoding: str) -> None:
    """A file that a spreadsheet saved with a byte order mark is the same source."""
    marked = await open_source(write("marked", content.encode(encoding)))
    plain = await open_source(write("plain", content))
    assert marked.ref.kind == plain.ref.kind
    assert len(marked.channels()) == len(plain.channels()) == 1


async def test_a_text_is_recognised_by_one_reading_of_its_header(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recognition, companions and rows all use the header that was read first."""
    read: list[bytes] = []

    def counted(head: bytes) -> Header:
        read.append(head)
        return header_of(head)

    monkeypatch.setattr(document, "header_of", counted)
    await open_source(write("a/daily.csv", DAILY))
    await open_source(write("b/Totals.csv", "Date,Views\n2025-06-13,5\n"))
    assert len(read) == 2


async def test_locations_become_absolute(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is kept as an absolute one, for a worker that runs elsewhere."""
    absolute = write("daily.csv", DAILY)
    monkeypatch.chdir(tmp_path)
    assert (await open_source("daily.csv")).ref.location == absolute


async def test_a_source_is_read_once_until_its_file_changes(write: Write) -> None:
    """Ten callers share one reading; a changed file is read anew."""
    path = write("daily.csv", DAILY)
    same = await asyncio.gather(*(open_source(path) for _ in range(10)))
    assert len({id(source) for source in same}) == 1
    write("daily.csv", f"{DAILY}2026-01-18,c,6\n")
    changed = await open_source(path)
    assert len(changed.read("c").channel_snapshots) == 2


async def test_a_named_kind_must_be_right(write: Write) -> None:
    """A file that is no longer what it was registered as is an error."""
    error = await failure(write("daily.csv", DAILY), "feed")
    assert "is of kind csv, not feed" in str(error)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (_packed(b""), "is empty"),
        (_packed(DAILY.encode() * 999)[:-20], "is cut off: its gzip data ends early"),
        (_packed(DAILY.encode())[:5], "is cut off: its gzip data ends early"),
        (b"\x1f\x8bnonsense", "is damaged: its gzip data is broken"),
        (_packed(DAILY.encode())[:-8] + b"\xff" * 8, "is damaged: its gzip data is broken"),
        (b"date_utc,channel_id,views\n", "holds a header and no rows"),
        (b"PK\x03\x04 not an archive", "is damaged: File is not a zip file"),
    ],
)
async def test_damage_is_named(write: Write, content: bytes, reason: str) -> None:
    """An empty, cut-off or broken file is an error that says so."""
    assert reason in str(await failure(write("file.csv.gz", content)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bytes(range(256)), "is binary data, not text"),
        (b"\x00" * 100, "is binary data, not text"),
        (b"\x89PNG\r\n\x1a\n", "is a picture, not text"),
        (_packed(_packed(DAILY.encode())), "is packed twice, not text"),
        (b"# Read me\n", "is neither a feed nor a CSV, it begins '# Read me'"),
        (b"a,b,c\n1,2,3\n", "is a CSV of no known layout, with the columns a, b, c. Describe it"),
        (b'a,b,c\n1,"2' + 40 * b"\n\nand so on" + b'",3\n', "is a CSV of no known layout"),
        (b'{"a": 1}', "is JSON, neither a feed nor a CSV"),
    ],
)
async def test_what_is_no_source_is_named(write: Write, content: bytes, reason: str) -> None:
    """A file that is no source is an error that says what it is."""
    error = await failure(write("file.csv", content))
    assert isinstance(error, UnrecognisedError)
    assert reason in str(error)


async def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A path with nothing there is an error that says so."""
    assert "does not exist. Check the path" in str(await failure(str(tmp_path / "none.csv")))


@pytest.mark.parametrize("name", ["x" * 5000, "zero\0byte"])
async def test_an_impossible_path_is_an_error(tmp_path: Path, name: str) -> None:
    """A path that no file can have is an error like any other."""
    await failure(f"{tmp_path}/{name}")


async def test_a_folder_is_no_source(tmp_path: Path) -> None:
    """A folder is to be discovered, not opened."""
    assert "is a folder, not a file" in str(await failure(str(tmp_path)))


async def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Opening a pipe would wait for a writer for ever, so it is refused."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "is a device, pipe or socket, not a file" in str(await failure(str(pipe)))


@pytest.fixture
def forbidden(write: Write) -> Iterator[str]:
    """Yield a file that may not be read; root drops the right to read it anyway."""
    path = write("closed.csv", DAILY)
    Path(path).chmod(0)
    if os.geteuid() != 0:
        yield path
        return
    os.seteuid(65534)
    try:
        yield path
    finally:
        os.seteuid(0)


async def test_a_forbidden_file_is_an_error(forbidden: str) -> None:
    """A file that may not be read is an error that says so."""
    assert "may not be read (permission denied)" in str(await failure(forbidden))


async def test_a_document_has_a_size_limit(write: Write) -> None:
    """A file that unpacks to more than the limit is refused on the way."""
    path = write("bomb.gz", gzip.compress(b"a,b\n" * 2**19))
    with pytest.raises(SourceError, match="is larger than 1 MiB"):
        document.read_document(path, max_bytes=2**20)


async def test_a_password_in_an_address_is_not_shown() -> None:
    """Whatever goes wrong with an address, the message leaves out its password."""
    with pytest.raises(SourceError) as error:
        await open_source("ftp://me:secret@127.0.0.1/feed.xml")
    assert "secret" not in str(error.value)
