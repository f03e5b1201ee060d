"""
Lists of feeds, as players of podcasts export them (OPML 2.0): no sources, but they name some.

They are read apart, within limits; expat itself bounds what entities may expand to.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from jobs.channel.addresses import web_address
from jobs.channel.text import one_line
from jobs.sources.document import text_file
from jobs.sources.guard import reading_errors
from jobs.sources.source import SourceError
from jobs.sources.text import as_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.sources.document import Text

_ROOT = b"<opml"
_MOST_FEEDS = 1000
_OF_PLAYERS = frozenset({"feed", "itpc", "pcast", "podcast"})
"""Schemes that mean the same address by http."""


@dataclass(frozen=True, slots=True)
class ListedFeed:
    """A feed that a list names."""

    title: str
    address: str


def is_opml(head: bytes) -> bool:
    """Whether a text that begins with *head* is such a list."""
    return _ROOT in as_utf8(head).lower()[:1024]


def feeds_at(path: str) -> list[ListedFeed] | None:
    """
    Return the feeds that the list in the file at *path* names, each once; None if it is none.

    Raises:
        SourceError: It is damaged.
    """
    with reading_errors(path):
        try:
            text = text_file(path)
        except SourceError:
            return None
        return feeds_in(text) if is_opml(text.head) else None


def _address(attributes: Mapping[str, str]) -> str:
    """The address in an outline, by any spelling of its name; players write `feed:` before some."""
    found = (value for name, value in attributes.items() if name.lower() == "xmlurl")
    address = next(found, "").strip()
    scheme, _, rest = address.partition(":")
    if scheme.lower() not in _OF_PLAYERS:
        return address
    return f"https:{rest}" if rest.startswith("//") else rest


def feeds_in(text: Text) -> list[ListedFeed]:
    """
    Return the feeds that *text* names.

    Raises:
        SourceError: It is damaged, or names none.
    """
    found: dict[str, ListedFeed] = {}
    try:
        content = BytesIO(as_utf8(text.document().content).lstrip())
        for _, element in ET.iterparse(content):  # noqa: S314 -- see above
            address = web_address(_address(element.attrib))
            if address is not None:
                title = element.get("title") or element.get("text") or address
                found.setdefault(address, ListedFeed(one_line(title), address))
            element.clear()
    except ET.ParseError as error:
        raise SourceError(text.location, f"is a damaged list of feeds ({error})") from error
    if not found:
        raise SourceError(text.location, "is a list of feeds (OPML) that names none")
    if len(found) > _MOST_FEEDS:
        reason = f"is a list of {len(found):,} feeds (OPML), more than {_MOST_FEEDS:,}"
        raise SourceError(text.location, reason, "Split it")
    return list(found.values())
