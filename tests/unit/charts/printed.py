"""Strict readers of PDF and PNG files: they parse a file and raise on any fault."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

from pypdf import PdfReader

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BYTES_PER_PIXEL = {2: 3, 6: 4}


def pdf(content: bytes) -> PdfReader:
    """Return a strict reader."""
    return PdfReader(io.BytesIO(content), strict=True)


def pdf_text(content: bytes) -> str:
    """Return all text of all pages, with single spaces."""
    return " ".join(" ".join(page.extract_text() for page in pdf(content).pages).split())


def pdf_fonts(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the descriptor of every font in use; without a file it is not embedded."""
    for page in pdf(content).pages:
        resources: Any = page["/Resources"]
        for font in resources.get("/Font", {}).values():
            for inner in font.get_object()["/DescendantFonts"]:
                yield inner.get_object()["/FontDescriptor"].get_object()


def png_size(content: bytes) -> tuple[int, int]:
    """Return width and height, after checking every checksum and pixel."""
    assert content.startswith(_SIGNATURE)
    chunks = list(_chunks(content))
    assert chunks[0][0] == b"IHDR"
    assert chunks[-1][0] == b"IEND"
    width, height, depth, colour, *_ = struct.unpack("!IIBBBBB", chunks[0][1])
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    assert depth == 8
    assert len(pixels) == height * (1 + width * _BYTES_PER_PIXEL[colour])
    return width, height


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(content):
        length, kind = struct.unpack_from("!I4s", content, at)
        data = content[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from("!I", content, at + 8 + length)
        assert zlib.crc32(kind + data) == checksum, kind
        yield kind, data
        at += 12 + length
