"""Bytes to text: in the encoding that a document declares, or else the likeliest one."""

from __future__ import annotations

import codecs
import html
import re
import unicodedata
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from jobs.channel.text import clean, one_line
from runner.wording import size as size_in_words

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
MOST_LINE_BYTES = 1024 * 1024
"""The longest line that is looked for; a cell may hold a description of some kilobytes."""

_CONTROL = bytes({*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F})
_ODD_BREAKS = dict.fromkeys((0x85, 0x2028, 0x2029), " ")
_INVISIBLE = "Cf"
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


class NoTextError(ValueError):
    """It is no text that could be a list; the message is the reason, in one line."""


class LongLineError(NoTextError):
    """A line is longer than any of a list; the message says which, and how long lines may be."""


def pieces(file: IO[bytes], size: int) -> Iterator[Piece]:
    """
    Read *file* in pieces of whole lines of about *size* bytes, decoded as `decode` does it.

    A longer line makes a longer piece.

    Raises:
        LongLineError: A line is longer than `MOST_LINE_BYTES`, and than *size*.
    """
    rest = b""
    above = 0
    for block in _utf8_blocks(file, size):
        # Before it is cut: a control character may stand between the two halves of a line end.
        whole, rest = _cut(rest + block.translate(None, _CONTROL))
        if whole:
            above += whole.count(b"\n") or whole.count(b"\r")
            yield _piece(whole, last=False)
        if len(rest) > max(MOST_LINE_BYTES, size):
            most = size_in_words(MOST_LINE_BYTES)
            raise LongLineError(f"has in line {above + 1:,} more than {most}")
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
    """Most pieces are of plain ASCII, and pass as they are."""
    if content.isascii():
        return Piece(content, 0, last)
    try:
        decoded = Decoded(content.decode())
    except UnicodeDecodeError:
        decoded = _decode_by_line(content)
    return Piece(_cells(decoded.text).encode(), decoded.guessed_lines, last)


def _cells(text: str) -> str:
    """Let the text of cells in, with the line ends of the file, and no others."""
    if text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        return unicodedata.normalize("NFC", text)  # which looks first, and seldom copies
    return "\n".join(
        line if line.isprintable() else "\r".join(map(_cell, line.split("\r")))
        for line in unicodedata.normalize("NFC", text).split("\n")
    )


def _cell(text: str) -> str:
    return clean(text.translate(_ODD_BREAKS))


def as_utf8(content: bytes) -> bytes:
    """Return a marked document in UTF-8, still marked, and any other as it is."""
    if content.startswith(tuple(mark for mark, _ in _MARKED)):
        return decode(content).text.encode("utf-8-sig")
    return content


def lines_of(text: str) -> list[str]:
    """Split *text* at line ends, which are kept; `str.splitlines` also splits at odd characters."""
    return list(StringIO(text, newline=""))


def plain(text: str) -> str:
    """
    Return *text* as a person sees it, in lower case.

    Soft hyphens, joiners and byte order marks are no letters; a no-break space is a space, and a
    full-width letter is that letter.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split()).lower()
    # Twice: a letter that was composed of others may be one more to compose.
    seen = unicodedata.normalize("NFKC", clean(text))
    kept = "".join(each for each in seen if unicodedata.category(each) != _INVISIBLE)
    return " ".join(unicodedata.normalize("NFC", kept).split()).lower()


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
