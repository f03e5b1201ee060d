"""The fields that feedparser found; any of them may be missing, empty, or of an odd type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.channel.text import one_line, unbroken
from jobs.sources.text import without_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    Fields = Mapping[str, Any]


def text_of(fields: Fields, name: str) -> str:
    """Return the text of a field in one line of any length; empty if there is none."""
    value = _raw(fields, name)
    return unbroken(value) if isinstance(value, str) else ""


def title_of(fields: Fields) -> str:
    """Return the title as plain text; feedparser knows whether it was written as HTML."""
    detail = _raw(fields, "title_detail") or {}
    written_as_html = "html" in str(detail.get("type", ""))
    if written_as_html:
        return without_tags(str(detail.get("value", "")))
    return one_line(text_of(fields, "title"))


def attribute(fields: Fields, element: str, name: str) -> str:
    """Return an attribute of an element that feedparser keeps as a mapping; empty if none."""
    value = _raw(fields, element)
    return str(value.get(name, "")).strip() if isinstance(value, dict) else ""


def date_text(fields: Fields, name: str) -> str:
    """Return the field *name* as it was written: feedparser's own reader of dates guesses."""
    return text_of(fields, name)


def links(fields: Fields, rel: str) -> list[Fields]:
    """Return the links of one relation (`self`, `alternate`, `enclosure`) that lead somewhere."""
    return [link for link in listed(fields, "links") if link.get("rel") == rel and link.get("href")]


def listed(fields: Fields, name: str) -> list[Fields]:
    """Return the mappings of a field that feedparser keeps as a list; none if it is missing."""
    value = _raw(fields, name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _raw(fields: Fields, name: str) -> Any:
    """Bypass feedparser's own lookup, which returns another field for a missing one."""
    return dict.get(fields, name) if isinstance(fields, dict) else None
