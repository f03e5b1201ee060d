"""Markup from outside: whether a document is any, and of what kind."""

from __future__ import annotations

import re

from jobs.sources.text import decode, without_tags

_HEAD_BYTES = 64 * 1024
_FORE_BYTES = 1024
_FEED_ROOT = re.compile(rb"<(?:rss|feed|rdf:RDF)[\s>]")
_NOT_ELEMENTS = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<![^>]*>", re.DOTALL)
_ELEMENT = re.compile(r"<([A-Za-z_][\w:.-]*)")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_PAGE_ELEMENTS = frozenset({"html", "head", "body", "title", "meta", "script", "div", "p"})
_SHOWN_CHARACTERS = 60


def is_markup(content: bytes) -> bool:
    """Whether *content* begins like XML or HTML, in any encoding."""
    head = content[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf")
    return head.lstrip(b"\xff\xfe\x00 \t\r\n").startswith(b"<")


def has_feed_within(content: bytes) -> bool:
    """Whether a feed begins a little further on, behind what does not belong there."""
    return _FEED_ROOT.search(content[:_FORE_BYTES]) is not None


def what_it_is(content: bytes) -> str:
    """Describe in a few words what markup *content* is."""
    head = decode(content[:_HEAD_BYTES]).text
    title = _TITLE.search(head)
    element = _ELEMENT.search(_NOT_ELEMENTS.sub("", head))
    if element is None:
        return "markup without any element"
    if element[1].lower() not in _PAGE_ELEMENTS and "<!doctype html" not in head.lower():
        return f"XML with the root <{element[1][:_SHOWN_CHARACTERS]}>"
    named = without_tags(title[1])[:_SHOWN_CHARACTERS] if title else ""
    return f"an HTML page titled '{named}'" if named else "an HTML page"
