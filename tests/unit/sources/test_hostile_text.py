"""Text made to stop a reader: each is refused in one line, or read, in a number of steps."""

from __future__ import annotations

import gzip
import resource
import time
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from jobs.sources import SourceError, discover, document, open_source
from jobs.sources.csv import table
from jobs.sources.document import Unpacked, UnpacksTooFarError
from jobs.sources.feed import feed
from jobs.sources.feed.markup import has_endless_tag, what_it_is
from jobs.sources.header import header_of
from jobs.sources.source import shown
from jobs.sources.text import MOST_LINE_BYTES, LongLineError, pieces, without_tags
from jobs.sources.values import durations, tags, times, twitch_names, youtube_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.sources.conftest import Write

HEADER = b"date_utc,channel_id,subscribers,views\n"
AMPLE_S = 20
"""Of computing: the square of these sizes takes minutes, or hours."""


@pytest.fixture(autouse=True)
def _computing_ends() -> Iterator[None]:
    """Let the kernel end this test's process if what should take a moment takes for ever."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 2 * AMPLE_S, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


LONG = 200_000

SCANNED: dict[str, tuple[Callable[[str], object], str]] = {
    "comments that do not end": (lambda text: what_it_is(text.encode()), "<!--" * LONG),
    "sections that do not end": (lambda text: what_it_is(text.encode()), "<![CDATA[" * LONG),
    "instructions that do not end": (lambda text: what_it_is(text.encode()), "<?" * LONG),
    "declarations that do not end": (lambda text: what_it_is(text.encode()), "<!a" * LONG),
    "titles that do not end": (lambda text: what_it_is(text.encode()), "<html><title>" * LONG),
    "title tags that do not end": (lambda text: what_it_is(text.encode()), "<html><title " * LONG),
    "tags that do not end": (without_tags, "<a" * LONG),
    "one tag that does not end": (without_tags, "<a" + " b" * LONG),
    "entities that do not end": (without_tags, "&#x" * LONG),
    "attributes without an end": (
        lambda text: has_endless_tag(text.encode()),
        "<a" + ' b="' * LONG,
    ),
    "attributes of many tags": (
        lambda text: has_endless_tag(text.encode()),
        ("<a " + "b=c " * 999 + ">") * 400,
    ),
    "passwords without a host": (shown, "http://" + ":a" * LONG),
    "users without a password": (shown, "http://" + "a:" * LONG + "/"),
    "schemes without an end": (shown, "a+" * LONG),
    "logins that do not end": (twitch_names.login, "(a" * LONG),
    "durations": (durations.read, "P" + "1D" * LONG),
    "clocks": (durations.read, "1:" * LONG),
    "dates": (times.from_iso8601, "2024-01-01" * LONG),
    "names of recordings": (times.from_name, "2024-01-01T1" * LONG),
    "years": (times.year_in_name, "2024" * LONG),
    "tags": (tags.read, "[" * LONG),
    "lists of tags": (tags.read, '["a",' * LONG),
    "ids within": (youtube_ids.channel_id_within, "yt:channel:" * LONG),
    "ids in a name": (youtube_ids.channel_id_in_name, "UC" * LONG),
    "a header": (lambda text: header_of(text.encode()), '"' * LONG),
    "columns": (lambda text: header_of(text[: 64 * 1024].encode()), "," * LONG),
}


@pytest.mark.parametrize("kind", SCANNED)
def test_scanners_take_time_in_proportion_to_the_text(kind: str) -> None:
    """Hundreds of thousands of beginnings without an end are over in a moment."""
    scan, text = SCANNED[kind]
    scan(text)


def test_an_unclosed_comment_hides_nothing_that_follows() -> None:
    """What is not closed is no comment; a closed one is skipped, with the tags in it."""
    assert what_it_is(b"<!-- <html> --><opml>") == "XML with the root <opml>"
    assert what_it_is(b"<!-- x\n<opml/") == "XML with the root <opml>"
    assert what_it_is(b"<?xml?><!DOCTYPE html><p>") == "an HTML page"
    assert what_it_is(b"<html><TITLE lang='a'>Not found</Title>") == (
        "an HTML page titled 'Not found'"
    )
    assert what_it_is("<html><title>İİ".encode() + b"</title>") == "an HTML page titled 'İİ'"
    assert what_it_is(b"<![CDATA[<a>]]>") == "markup without any element"


@pytest.mark.parametrize("quote", ['"', "'", ""])
async def test_a_tag_with_thousands_of_attributes_is_refused(write: Write, quote: str) -> None:
    """A `>` inside a value hides none of them; a text full of signs is no tag."""
    attributes = " ".join(f"a{at}={quote}{'1>' if quote else 1}{quote}" for at in range(20_000))
    feed = (
        "<rss version='2.0'><channel><title>x</title>{}"
        "<item><title>t</title></item></channel></rss>"
    )
    path = write("a.xml", feed.replace("{}", f"<x {attributes}></x>"))
    with pytest.raises(SourceError, match="has a tag with more than 1,000 attributes"):
        await open_source(path)
    signs = feed.replace("{}", f"<description>{'a=b ' * 5000}</description>")
    assert (await open_source(write("b.xml", signs))).channels()


def packed(path: Path, head: bytes, block: bytes, blocks: int) -> str:
    """Write a file of gzip data that unpacks to *head* and then *block* over and over."""
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.write(head)
        for _ in range(blocks):
            file.write(block)
    return str(path)


@pytest.fixture
def _small_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few megabytes be too much."""
    monkeypatch.setattr(document, "_UNPACKED_ANYWAY", 8 * MOST_LINE_BYTES)


@pytest.mark.usefixtures("_small_bombs")
@pytest.mark.parametrize(
    ("name", "head", "block", "reason"),
    [
        ("a.csv.gz", HEADER, b"a" * MOST_LINE_BYTES, "has in line 2 more than 1 MiB"),
        ("b.csv.gz", HEADER, b"," * MOST_LINE_BYTES, "has in line 2 more than 1 MiB"),
        ("c.csv.gz", HEADER, b"\n" * MOST_LINE_BYTES, "unpacks to .* over 200 times its size"),
        ("d.xml.gz", b"<rss>", b" " * MOST_LINE_BYTES, "unpacks to .* over 200 times its size"),
        ("e.xml.gz", b"<rss>", b"<!--" * 262144, "unpacks to .* over 200 times its size"),
    ],
)
async def test_what_unpacks_to_far_too_much_is_refused_in_one_line(
    tmp_path: Path, name: str, head: bytes, block: bytes, reason: str
) -> None:
    """Before it has been unpacked, whatever it is of."""
    path = packed(tmp_path / name, head, block, 12)
    (found,) = await discover(path)
    assert isinstance(found, SourceError)
    assert "\n" not in str(found)
    with pytest.raises(SourceError, match=reason):
        raise found


def test_what_packs_well_is_unpacked() -> None:
    """Small files may be of one letter, and large ones pack to a hundredth."""
    small = b"a" * 1_000_000
    assert Unpacked(BytesIO(gzip.compress(small))).read() == small
    with pytest.raises(UnpacksTooFarError, match="MiB"):
        Unpacked(BytesIO(gzip.compress(b"a" * 70 * 1024 * 1024))).read()


def test_a_line_may_be_as_long_as_a_piece() -> None:
    """The limit is of lines that go on from piece to piece; it names the line."""
    long = b"x" * (MOST_LINE_BYTES + 10)
    whole = b"".join(piece.text for piece in pieces(BytesIO(b"a\n" + long + b"\nb"), 1 << 22))
    assert whole == b"a\n" + long + b"\nb"
    with pytest.raises(LongLineError, match="has in line 3 more than 1 MiB"):
        list(pieces(BytesIO(b"a\nb\n" + long + long), 1000))


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        (b'x",,"\n', True),  # each line opens a quote, and leaves it open if it stands inside one
        (b'2026-01-17,c,1,"\n', False),
        (b'"\n', False),
        (b'""\n', False),
        (b'"""\n', False),
        (b'a"b,"c\n', False),
    ],
)
async def test_open_quotes_are_looked_for_within_bounds(
    write: Write, line: bytes, *, refused: bool
) -> None:
    """A row that none of thousands of lines ends is damage; thousands of such rows are no list."""
    path = write("a.csv", HEADER + b"2026-01-17,c,1,2\n" + line * 100_000)
    (found,) = await discover(path)
    if refused:
        assert "too many stray or open quotes, the last in line" in str(found)
    else:
        assert not isinstance(found, SourceError) or "no usable row" in str(found)


async def test_a_table_of_endless_columns_is_no_source(write: Write) -> None:
    """It is recognised as what it is, in a moment."""
    (found,) = await discover(write("a.csv", "a," * 5_000 + "\n" + "1," * 5_000 + "\n"))
    assert "is a table of more than 2,000 columns" in str(found)


async def test_a_stray_quote_costs_its_row_and_no_other(write: Write) -> None:
    """As long as they are few, the rows behind open quotes are read."""
    sound = "".join(f"2026-01-{day:02},c,{day},2\n" for day in range(1, 29))
    text = HEADER.decode() + sound + '2026-02-01,c,"1,2\n' + sound.replace("2026-01", "2026-03")
    assert len(text) < table._MAX_ROW_CHARACTERS
    source = await open_source(write("a.csv", text))
    assert len(source.read("c").channel_snapshots) == 56
    assert [reject.line for reject in source.rejects] == [30]


@pytest.mark.parametrize(
    "header", ["*,b", "^.*$,b", "column 2,", 'column 2,"",column 2', "a,a,A", "line,b"]
)
def test_a_column_may_be_called_anything(header: str) -> None:
    """Found by fuzzing: to polars some names are patterns, and ours must not be taken already."""
    found = header_of(header.encode())
    assert len(set(found.names)) == len(found.names) == header.count(",") + 1
    content = f"{header}\n1{',1' * header.count(',')}\n"
    frames = [rows.frame for rows in table.read_rows(BytesIO(content.encode()), found)]
    assert sum(frame.height for frame in frames) == 1
    assert {frame.width for frame in frames} == {len(found.names) + 1}


async def test_a_feed_of_nothing_is_refused(write: Write) -> None:
    """Found by fuzzing: a mark of the byte order and white space are an empty document."""
    with pytest.raises(SourceError, match=r"is empty|not a feed"):
        await open_source(write("a.xml", b"\xef\xbb\xbf<  "))
    with pytest.raises(SourceError, match="not a feed"):
        feed.parse(document.Document("a.xml", "a.xml", b"\xef\xbb\xbf  "))
