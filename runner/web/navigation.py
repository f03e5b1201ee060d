"""Where the pages lead, and by which keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Link:
    """
    One place.

    key: leads there after `g`; empty if no letter was free. counts: which count of the stream of
    changes stands beside it. is_first: whether a phone shows it at once.
    """

    label: str
    path: str
    icon: str
    key: str = ""
    counts: str = ""
    is_first: bool = False


_OWN = (
    Link("Overview", "/", "overview", "o", is_first=True),
    Link("Jobs", "/jobs", "jobs", "j", counts="dead", is_first=True),
    Link("Runs", "/runs", "runs", "r"),
    Link("Queues", "/queues", "queues", "q"),
    Link("Workers", "/workers", "workers", "w", counts="workers", is_first=True),
    Link("Batches", "/batches", "batches", "b"),
    Link("Lanes", "/lanes", "lanes", "l"),
    Link("Schedules", "/schedules", "schedules", "s"),
    Link("Metrics", "/metrics/jobs", "metrics", "m"),
)
_SESSIONS = Link("Sessions", "/sessions", "sessions", "i")
_AUDIT = Link("Audit", "/audit", "audit", "a")
_TAKEN = frozenset(one.key for one in (*_OWN, _SESSIONS, _AUDIT))

Row = tuple[str, tuple[str, ...]]
KEYS: Sequence[tuple[str, Sequence[Row]]] = (
    (
        "Everywhere",
        (
            ("Search", ("/",)),
            ("These keys", ("?",)),
            ("Overview, jobs, runs", ("g", "then", "o", "j", "r")),
            ("Queues, workers", ("g", "then", "q", "w")),
            ("Batches, lanes", ("g", "then", "b", "l")),
            ("Schedules, metrics", ("g", "then", "s", "m")),
            ("Audit", ("g", "then", "a")),
            ("Hold the page still", ("p",)),
            ("Light, dark, as the system", ("t",)),
            ("Close, clear", ("esc",)),
        ),
    ),
    (
        "In a list",
        (
            ("Down, up", ("j", "k")),
            ("Open", ("enter",)),
            ("Unfold, fold a group", ("l", "h")),
            ("Mark, mark up to here", ("x", "⇧x")),
            ("Mark all on this page", ("⇧a",)),
            ("Retry or run now", ("r",)),
            ("Delete", ("d",)),
            ("Show the new ones", ("n",)),
        ),
    ),
    (
        "On a chart and a job",
        (
            ("A step left, right", ("←", "→")),
            ("Its jobs", ("enter",)),
            ("Open all tracebacks", ("o",)),
            ("Copy the id, the error", ("c", "⇧c")),
            ("Its run", ("u",)),
        ),
    ),
)
"""What the pages say of their keys: a heading, and what each key does. `keys.js` does it."""


def navigation(
    title: str, own: Iterable[Link], *, has_login: bool
) -> list[tuple[str, Sequence[Link]]]:
    """Return groups of places: the runner's, the application's under *title*, and control."""
    control = [_SESSIONS, _AUDIT] if has_login else [_AUDIT]
    groups = [("", list(_OWN)), (title, _with_keys(own)), ("Control", control)]
    return [(name, links) for name, links in groups if links]


def _with_keys(links: Iterable[Link]) -> list[Link]:
    taken, keyed = set(_TAKEN), []
    for place, link in enumerate(links):
        letters = [one for one in link.label.lower() if one.isascii() and one.isalpha()]
        key = next((one for one in letters if one not in taken), "")
        taken.add(key)
        keyed.append(replace(link, key=key, is_first=place == 0))
    return keyed
