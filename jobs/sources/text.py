"""Bytes to text: in the encoding that a document declares, or else the likeliest one."""

from __future__ import annotations

import codecs
import html
import re
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_MARKED = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = bytes({*range(9), *range(0x0E, 0x20), 0x7F})
_UNSTORABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
_BREAKS = re.compile(r"[ \t\r\n\v\f]+")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, and how many of its lines were in no declared encoding and had to be guessed."""

    text: str
    guessed_lines: int = 0


def decode(content: bytes) -> Decoded:
    """
    Decode *content* by its byte order mark, else as UTF-8.

    Lines that are not UTF-8 are read as Windows-1252, one by one: files put together from several
    sources mix both. Nothing is dropped, so line numbers stay those of the file.
    """
    encoding = next((name for mark, name in _MARKED if content.startswith(mark)), "utf-8")
    try:
        return Decoded(content.decode(encoding))
    except UnicodeDecodeError:
        if encoding in {"utf-16", "utf-32"}:
            return Decoded(content.decode(encoding, errors="replace"), guessed_lines=1)
        return _decode_by_line(content.removeprefix(codecs.BOM_UTF8))


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of a document, as storable text in UTF-8; the *last* one may lack its end."""

    text: bytes
    guessed_lines: int
    last: bool


def pieces(file: IO[bytes], size: int) -> Iterator[Piece]:
    """
    Read *file* in pieces of whole lines of about *size* bytes, decoded as `decode` does it.

    A longer line makes a longer piece.
    """
    blocks = _utf8_blocks(file, size)
    rest = b""
    for block in blocks:
        # Before it is cut: a control character may stand between the two halves of a line end.
        whole, rest = _cut(rest + block.translate(None, _CONTROL))
        if whole:
            yield _piece(whole, last=False)
    yield _piece(rest, last=True)


def _utf8_blocks(file: IO[bytes], size: int) -> Iterator[bytes]:
    """UTF-16 and UTF-32 become UTF-8 here; anything else passes as it is, without its mark."""
    block = file.read(size)
    encoding = next((name for mark, name in _MARKED if block.startswith(mark)), "utf-8")
    if encoding in {"utf-8", "utf-8-sig"}:
        block = block.removeprefix(codecs.BOM_UTF8)
        while block:
            yield block
            block = file.read(size)
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while block:
        yield decoder.decode(block).encode("utf-8", errors="replace")
        block = file.read(size)
    yield decoder.decode(b"", final=True).encode()


def _cut(text: bytes) -> tuple[bytes, bytes]:
    """Cut behind the last line end; a return at the very end may be one half of an end."""
    end = text.rfind(b"\n") + 1
    if not end:
        end = text.rfind(b"\r", 0, -1) + 1
    return text[:end], text[end:]


def _piece(content: bytes, *, last: bool) -> Piece:
    try:
        content.decode()
    except UnicodeDecodeError:
        decoded = _decode_by_line(content)
        return Piece(decoded.text.encode(), decoded.guessed_lines, last)
    return Piece(content, 0, last)


def as_utf8(content: bytes) -> bytes:
    """Return a marked document in UTF-8, still marked, and any other as it is."""
    if content.startswith(tuple(mark for mark, _ in _MARKED)):
        return decode(content).text.encode("utf-8-sig")
    return content


def lines_of(text: str) -> list[str]:
    """Split *text* at line ends, which are kept; `str.splitlines` also splits at odd characters."""
    return list(StringIO(text, newline=""))


def storable(text: str) -> str:
    """Return *text* without the characters that no database takes: control, half surrogates."""
    return _UNSTORABLE.sub("", text)


def one_line(text: str) -> str:
    """
    Return *text* storable, without line breaks and outer white space.

    Non-breaking spaces inside stay: titles use them on purpose.
    """
    # Nearly every title is such; a list may hold tens of thousands.
    if text.isprintable() and "  " not in text:
        return text.strip()
    return _BREAKS.sub(" ", storable(text)).strip()


def without_tags(markup: str) -> str:
    """Return HTML without tags and entities, in one line."""
    return one_line(html.unescape(_TAG.sub("", markup)))


def _decode_by_line(content: bytes) -> Decoded:
    lines: list[str] = []
    guessed = 0
    for line in content.split(b"\n"):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", errors="replace"))
            guessed += 1
    return Decoded("\n".join(lines), guessed)
