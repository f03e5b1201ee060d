"""A chart, before it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers behind a chart, formatted: *columns* and *rows* of text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Chart:
    """
    One chart: a Vega-Lite *spec* that contains its data.

    *key* is its name among a channel's charts, *title* its finding in a sentence, *alt* its
    alternative text. The spec's subtitle says how to read it, its `usermeta` has the table behind
    it or, where making it failed, `undrawn`: the reason.
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
    """Return how to read a chart: the subtitle of its *spec*, in one line."""
    return " ".join(spec.get("title", {}).get("subtitle", []))


def undrawn(spec: Mapping[str, Any]) -> str:
    """Return why there is no chart, only its place; empty if there is one."""
    return str(spec.get("usermeta", {}).get("undrawn", ""))


def table(spec: Mapping[str, Any]) -> Table | None:
    """Return the numbers behind a chart; None if its *spec* has none."""
    found = spec.get("usermeta", {}).get("table")
    return None if found is None else Table(found["columns"], found["rows"])
