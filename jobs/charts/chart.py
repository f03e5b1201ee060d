"""What a chart is, before it is a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers behind a chart, as they are read: *columns* and *rows* of text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Chart:
    """
    One chart: a Vega-Lite *spec* with its data inside, needing nothing else to be drawn.

    *key* is its name among a channel's charts, *title* its finding in a sentence; the spec's
    subtitle says how to read it, its `usermeta` holds the table behind it. *alt* tells it to who
    cannot see it.
    """

    key: str
    title: str
    spec: dict[str, Any]
    alt: str


class DrawnFrom(Protocol):
    """A chart, fresh or from the store."""

    @property
    def key(self) -> str:
        """Its name among the channel's charts."""
        ...

    @property
    def title(self) -> str:
        """Its finding."""
        ...

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its Vega-Lite specification."""
        ...

    @property
    def alt(self) -> str:
        """What it shows, in words."""
        ...


def reading(spec: Mapping[str, Any]) -> str:
    """Return how a chart is read: the subtitle of its *spec*, in one line."""
    return " ".join(spec.get("title", {}).get("subtitle", []))


def table(spec: Mapping[str, Any]) -> Table | None:
    """Return the numbers behind a chart; None where its *spec* holds none."""
    found = spec.get("usermeta", {}).get("table")
    return None if found is None else Table(found["columns"], found["rows"])
