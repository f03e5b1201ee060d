"""Lists of feeds name sources; they are none themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.sources import SourceError, UnrecognisedError, open_source
from jobs.sources.opml import feeds_at

if TYPE_CHECKING:
    from tests.unit.sources.conftest import Write

LIST = (
    '<?xml version="1.0"?><opml version="2.0"><head><title>t</title></head><body>'
    '<outline text="Folder">'
    '<outline text="One" type="rss" xmlUrl="https://e.example/1.xml"/></outline>'
    '<outline text="Two" xmlUrl="https://e.example/2.xml"/>'
    '<outline text="Again" xmlUrl="https://e.example/2.xml"/>'
    '<outline text="Local" xmlUrl="file:///etc/passwd"/></body></opml>'
)


async def test_a_list_of_feeds_names_them_and_the_next_command(write: Write) -> None:
    """Its line says how many there are, which, and how to add them."""
    path = write("my podcasts.opml", LIST)
    with pytest.raises(UnrecognisedError, match=r"is a list of 2 feeds \(OPML\): One") as error:
        await open_source(path)
    assert f"pipeline channels add '{path}'" in str(error.value)


def test_only_addresses_of_the_web_are_listed(write: Write) -> None:
    """Each feed once, in folders, too; nothing else is ever opened."""
    found = feeds_at(write("a.opml", LIST.encode("utf-16")))
    assert found is not None
    assert [each.address for each in found] == [
        "https://e.example/1.xml",
        "https://e.example/2.xml",
    ]
    assert feeds_at(write("a.csv", "a,b\n1,2\n")) is None
    assert feeds_at(write("none", "")) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [(LIST[:200], "is a damaged list of feeds"), ("<opml><body/></opml>", "that names none")],
)
def test_a_damaged_list_is_an_error(write: Write, text: str, reason: str) -> None:
    """It says what is wrong."""
    with pytest.raises(SourceError, match=reason):
        feeds_at(write("a.opml", text))


def test_addresses_are_read_as_players_write_them(write: Write) -> None:
    """An attribute in any case; `feed:` before an address, or in place of its `https:`."""
    outlines = (
        '<outline XMLURL="feed:https://e.example/1.xml"/>'
        '<outline xmlURL="itpc://e.example/2.xml"/><outline xmlurl="http://e.example/3.xml"/>'
    )
    found = feeds_at(write("a.opml", f"<opml><body>{outlines}</body></opml>"))
    assert found is not None
    assert [each.address for each in found] == [
        "https://e.example/1.xml",
        "https://e.example/2.xml",
        "http://e.example/3.xml",
    ]
