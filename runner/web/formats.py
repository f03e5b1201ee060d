"""The filters of the page templates."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from markupsafe import Markup

from runner.operations.actions import ids_back
from runner.wording import TOLD, ago, milliseconds, number, short, size, span, stamp, told_at

if TYPE_CHECKING:
    from runner.operations.groups import Group


def iso(when: datetime | None) -> str:
    """For machines."""
    return "" if when is None else when.astimezone(UTC).isoformat(timespec="milliseconds")


def pretty(value: Any) -> str:
    """A JSON value on several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def inline(value: Any) -> str:
    """A JSON value on one line; an object without its braces, as arguments are read."""
    if isinstance(value, dict):
        return ", ".join(
            f"{name}={json.dumps(item, ensure_ascii=False, default=str)}"
            for name, item in value.items()
        )
    return json.dumps(value, ensure_ascii=False, default=str)


def in_address(group: Group) -> str:
    """Which jobs are of *group*, as the list of jobs and its actions read it."""
    asked = {"queue": group.queue, "state": group.state, "job": group.job, "like": group.like}
    return urlencode({name: value for name, value in asked.items() if value})


def timed(sentence: str, now: datetime) -> Markup:
    """*sentence* with its times as such, so that the page shows them in the reader's zone."""
    said, at = Markup(""), 0
    for found in TOLD.finditer(sentence):
        said += sentence[at : found.start()]
        said += Markup('<time datetime="{}" data-clock data-seconds>{}</time>').format(
            told_at(found, now).isoformat(), found[0]
        )
        at = found.end()
    return said + sentence[at:]


def host(worker: str) -> str:
    """Where a worker runs, by its id, `<host>:<process>:<digits>`."""
    return worker.partition(":")[0]


_BROWSER = re.compile(
    r"(Firefox|Edg|OPR|(?:Headless)?Chrome)/(\d+)|Version/(\d+)\S* (?:Mobile/\S+ )?Safari"
)
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")
_NAMES = {"Edg": "Edge", "OPR": "Opera", "HeadlessChrome": "Chrome"}


def program(agent: str) -> str:
    """What somebody logged in with, by its user agent: `Firefox 130, Linux`; else what it says."""
    found = list(_BROWSER.finditer(agent))
    if not found:
        return agent
    one = next((one for one in found if one[1] in _NAMES), found[0])  # they call themselves Chrome
    name = f"{_NAMES.get(one[1], one[1])} {one[2]}" if one[1] else f"Safari {one[3]}"
    system = next((one for one in _SYSTEMS if one in agent), "")
    return f"{name}, {system}".rstrip(", ")


FILTERS = {
    "program": program,
    "timed": timed,
    "host": host,
    "in_address": in_address,
    "number": number,
    "short": short,
    "size": size,
    "span": span,
    "ms": milliseconds,
    "ago": ago,
    "stamp": stamp,
    "iso": iso,
    "pretty": pretty,
    "inline": inline,
    "ids_back": ids_back,
}
