"""Text: decoded whatever its encoding, and storable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.channel.text import one_line
from jobs.sources.text import decode


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_decode_follows_the_byte_order_mark(encoding: str) -> None:
    """A byte order mark decides, and is not part of the text."""
    assert decode("Été,日本\n".encode(encoding)).text == "Été,日本\n"


def test_decode_guesses_line_by_line() -> None:
    """Among UTF-8 lines, one in Windows-1252 is read as such and counted; the others stay."""
    decoded = decode("Été\n".encode() + "déjà — vu\n".encode("cp1252") + "日本\n".encode())
    assert decoded.text == "Été\ndéjà — vu\n日本\n"
    assert decoded.guessed_lines == 1


@given(st.binary())
def test_decode_never_crashes_and_keeps_lines(content: bytes) -> None:
    """Any bytes give text; without a byte order mark no line is lost."""
    decoded = decode(content)
    if not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")):
        assert decoded.text.count("\n") == content.count(b"\n")


@given(st.text(alphabet=st.characters()))
def test_one_line_is_storable(text: str) -> None:
    """What comes out encodes as UTF-8, has no line break and no zero byte."""
    line = one_line(text)
    line.encode()
    assert "\n" not in line
    assert "\x00" not in line


@given(st.text(alphabet=st.sampled_from("aé日🙂 \u00a0\u3000\n\t\x00\u200d\ud800")))
def test_one_line_has_single_spaces_whatever_the_way(text: str) -> None:
    """Plain text takes a shortcut, and comes out the same as by the long way."""
    line = one_line(text)
    assert one_line(f"{text}\n") == line == one_line(line)
    assert "  " not in line


def test_one_line_keeps_non_breaking_spaces() -> None:
    """Outer white space goes, and a non-breaking space within stays."""
    assert one_line(" Wow\u00a0! \n really\r\n") == "Wow\u00a0! really"
