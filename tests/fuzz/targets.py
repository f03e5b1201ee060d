"""What is fuzzed, and the promise that each input must keep."""

from __future__ import annotations

import contextlib
import tempfile
import unicodedata
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from jobs.sources.csv.fact_cache import FactCache
from jobs.sources.csv.table import PIECE_BYTES, read_rows
from jobs.sources.document import Document, unpack
from jobs.sources.feed import feed
from jobs.sources.header import LINE, header_of
from jobs.sources.location import parse
from jobs.sources.open_source import open_text
from jobs.sources.source import SourceError, shown
from jobs.sources.text import NoTextError
from runner import codec
from runner.egress.networks import is_public
from runner.errors import CodecError, ConfigurationError
from runner.periodic.crontab import Crontab
from runner.web.login import read_users
from tests.fuzz import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.sources.source import Source

MOST_BYTES: Final = 64 * 1024
"""The longest input."""

_NOW = datetime(2026, 1, 17, 8, 30, tzinfo=UTC)


def document(content: bytes) -> None:
    """Any bytes at an address are a source whose every text is clean, or refused in one line."""
    with _refused_in_a_line(), tempfile.TemporaryDirectory() as folder:
        unpacked = unpack(BytesIO(content), _ADDRESS, 16 * MOST_BYTES)
        found = open_text(
            Document(_ADDRESS, "a", unpacked, fetched_at=_NOW), None, FactCache(Path(folder))
        )
        _must_be_clean(found)


def table(content: bytes) -> None:
    """Any bytes are rows and damage, a line each, whatever their header is."""
    header = header_of(content)
    if not header.names:
        return
    lines: list[int] = []
    with contextlib.suppress(NoTextError):
        for rows in read_rows(BytesIO(content), header, piece_bytes=PIECE_BYTES):
            lines += rows.frame[LINE].to_list()
            lines += [each.line for each in rows.damage]
    assert len(lines) == len(set(lines))
    assert all(line > header.line for line in lines)


def feed_(content: bytes) -> None:
    """Any markup is a feed whose every text is clean, or refused in one line."""
    with _refused_in_a_line():
        _must_be_clean(feed.parse(Document(_ADDRESS, "a.xml", content, fetched_at=_NOW)))


def codec_(content: bytes) -> None:
    """Any bytes from Redis are a value, which comes out equal or is refused, or a `CodecError`."""
    for read in (codec.decode_job, codec.loads):
        with contextlib.suppress(CodecError):
            read(content)
    try:
        value = codec.decode(content)
    except CodecError:
        return
    codec.encode_shown(value)
    with contextlib.suppress(CodecError):  # 1e400 is JSON, and infinite here
        assert _same(codec.decode(codec.encode(value)), value)


def crontab(content: bytes) -> None:
    """Any text is a crontab with a next time, or refused as a wrong setting."""
    text, _, zone = content.decode(errors="replace").partition("\n")
    try:
        found = Crontab(text, zone or "UTC")
    except ConfigurationError as error:
        _must_be_a_line(error)
        return
    following = found.next_after(_NOW)
    assert following > _NOW
    assert found.ticks_between(_NOW, following, limit=5)[-1] == following


def address(content: bytes) -> None:
    """Any text is a location, or no channel on YouTube; what is shown has no password."""
    text = content.decode(errors="surrogateescape")
    with _refused_in_a_line():
        place = parse(text)
        assert isinstance(place.text, str)
    with contextlib.suppress(ValueError):
        is_public(text)
    secret = "Kg7-secret"  # noqa: S105 -- one that nobody has
    assert secret not in shown(f"https://user:{secret}@{text.replace(secret, '')}")


def login(content: bytes) -> None:
    """Any request is answered, and any list of users read or refused; nobody gets in so."""
    head, _, rest = content.partition(b"\n\n")
    body, _, session = rest.partition(b"\n\n")
    with contextlib.suppress(ConfigurationError):
        read_users(head.decode(errors="replace"))
    pages.visit(_scope(head), body, session)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "document": document,
    "table": table,
    "feed": feed_,
    "codec": codec_,
    "crontab": crontab,
    "address": address,
    "login": login,
}

_ADDRESS: Final = "https://example.org/a"


@contextlib.contextmanager
def _refused_in_a_line() -> Iterator[None]:
    """A fault that no reader foresaw is one here, though it would cost only its source."""
    try:
        yield
    except SourceError as error:
        if "did not foresee" in error.remedy:
            raise
        _must_be_a_line(error)


def _must_be_a_line(error: Exception) -> None:
    assert len(str(error).splitlines()) == 1
    assert not any(unicodedata.category(one) in {"Cc", "Cs"} for one in str(error))


def _must_be_clean(value: Any) -> None:
    """All text in a source, and in what it has of each channel, passed the border."""
    if isinstance(value, str):
        assert unicodedata.is_normalized("NFC", value)
        assert not any(
            (unicodedata.category(one) in {"Cc", "Cs"} and one not in "\n\t")
            or ord(one) & 0xFFFE == 0xFFFE
            or 0xFDD0 <= ord(one) <= 0xFDEF
            for one in value
        )
    elif isinstance(value, list | tuple):
        for one in value:
            _must_be_clean(one)
    elif hasattr(value, "describe"):
        _must_be_clean(_all_of(value))
    elif is_dataclass(value):
        for one in fields(value):
            _must_be_clean(getattr(value, one.name))


def _all_of(source: Source) -> list[object]:
    channels = list(source.channels())
    readings = [source.read(channel.id) for channel in channels]
    return [source.describe(), channels, readings, list(source.rejects)]


def _same(found: Any, value: Any) -> bool:
    """Equal, with the types of numbers: 1 is not 1.0."""
    if isinstance(value, dict):
        return value.keys() == found.keys() and all(_same(found[key], value[key]) for key in value)
    if isinstance(value, list):
        return len(found) == len(value) and all(map(_same, found, value))
    return type(found) is type(value) and bool(found == value)


def _scope(head: bytes) -> dict[str, Any]:
    """An ASGI request: a line with method, path and query, then headers."""
    first, *lines = head.split(b"\n")
    method, _, target = first.rpartition(b" ")
    path, _, query = target.partition(b"?")
    headers = [
        (name.strip().lower(), value.strip())
        for name, colon, value in (line.partition(b":") for line in lines)
        if colon
    ]
    return {
        "type": "http",
        "method": method.decode("latin-1").upper() or "POST",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "scheme": "http",
        "headers": headers,
        "client": ("127.0.0.1", 5),
        "server": ("localhost", 80),
    }
