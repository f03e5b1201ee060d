"""Markup from outside: whether a document is any, and of what kind."""

from __future__ import annotations

import re

from jobs.sources.text import decode, without_tags

_HEAD_BYTES = 64 * 1024
_FORE_BYTES = 1024
_FEED_ROOT = re.compile(rb"<(?:rss|feed|rdf:RDF)[\s>]")
_NOT_ELEMENTS = (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">"))
_ELEMENT = re.compile(r"<([A-Za-z_][\w:.-]*)")
_ATTRIBUTE = re.compile(rb"""\s+[^\s=<>"'/]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]*)""")
_TAG_NAME = re.compile(rb"<[A-Za-z_][\w:.-]*")
MOST_ATTRIBUTES = 1000
"""More than any tag of a feed has; the time of a parser grows with the square of their number."""

_PAGE_ELEMENTS = frozenset({"html", "head", "body", "title", "meta", "script", "div", "p"})
_SHOWN_CHARACTERS = 60


def is_markup(content: bytes) -> bool:
    """Whether *content* begins like XML or HTML, in any encoding."""
    head = content[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf")
    return head.lstrip(b"\xff\xfe\x00 \t\r\n").startswith(b"<")


def has_feed_within(content: bytes) -> bool:
    """Whether a feed begins a little further on, behind what does not belong there."""
    return _FEED_ROOT.search(content[:_FORE_BYTES]) is not None


def has_endless_tag(content: bytes) -> bool:
    """Whether a tag in *content* has more than `MOST_ATTRIBUTES`."""
    start = content.find(b"<")
    while start >= 0:
        following = content.find(b"<", start + 1)
        end = following if following >= 0 else len(content)
        # Few stretches between two tags hold so many signs; only those are looked at.
        if content.count(b"=", start, end) > MOST_ATTRIBUTES and _attributes(content, start):
            return True
        start = following
    return False


def _attributes(content: bytes, start: int) -> bool:
    tag = _TAG_NAME.match(content, start)
    at = tag.end() if tag else -1
    for _ in range(MOST_ATTRIBUTES + 1):
        attribute = _ATTRIBUTE.match(content, at) if at >= 0 else None
        if attribute is None:
            return False
        at = attribute.end()
    return True


def what_it_is(content: bytes) -> str:
    """Describe in a few words what markup *content* is."""
    head = decode(content[:_HEAD_BYTES]).text
    element = _first_element(head)
    if element is None:
        return "markup without any element"
    if element[1].lower() not in _PAGE_ELEMENTS and "<!doctype html" not in head.lower():
        return f"XML with the root <{element[1][:_SHOWN_CHARACTERS]}>"
    named = without_tags(_title(head))[:_SHOWN_CHARACTERS]
    return f"an HTML page titled '{named}'" if named else "an HTML page"


def _first_element(markup: str) -> re.Match[str] | None:
    """
    Find the first element outside comments, in one pass.

    What is not closed is no comment, and neither is any later one: their ends are not looked for
    again.
    """
    unclosed: set[str] = set()
    at = markup.find("<")
    while at >= 0:
        element = _ELEMENT.match(markup, at)
        if element is not None:
            return element
        at = markup.find("<", _behind(markup, at, unclosed))
    return None


def _behind(markup: str, at: int, unclosed: set[str]) -> int:
    """Return the place behind the comment, or the like, that begins *at*; else the next one."""
    for start, end in _NOT_ELEMENTS:
        if start not in unclosed and markup.startswith(start, at):
            found = markup.find(end, at + len(start))
            if found >= 0:
                return found + len(end)
            unclosed.add(start)
    return at + 1


def _title(markup: str) -> str:
    """Return what stands in the first title element; nothing if it is not closed."""
    lower = markup.lower() if len(markup.lower()) == len(markup) else markup
    start = lower.find("<title")
    inner = lower.find(">", start) + 1 if start >= 0 else 0
    end = lower.find("</title", inner) if inner else -1
    return markup[inner:end] if end >= 0 else ""
