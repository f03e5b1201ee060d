"""
Vega-Lite specifications as plain dictionaries.

The names are Vega-Lite's own, and a specification comes out as Altair writes it: data sets under
names made of their content, keys in the same order. Options are not checked here: the tests check
every chart against Vega-Lite's schema, and compare this module with Altair.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Options = dict[str, Any]
Rows = list[dict[str, Any]]

_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.4.1.json"
_TYPES: Final = {"Q": "quantitative", "T": "temporal", "N": "nominal"}
_SECONDARY: Final = frozenset({"x2", "y2"})
"""These channels have the type of the first."""

_NAME_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class View:
    """
    A mark over its data, or several views in layers or side by side; each call returns a new one.

    *parts* are the views within, *data* is what they or the mark show, *content* all the rest.
    """

    content: Options = field(default_factory=dict)
    data: Rows | None = None
    arranged: str = ""
    parts: tuple[View, ...] = ()

    def encode(self, **channels: Any) -> View:
        """Return the view with *channels*: `x="day:T"` is short for `x=encoded("day:T")`."""
        encoding = {name: _channel(name, channels[name]) for name in sorted(channels)}
        return replace(self, content={**self.content, "encoding": encoding})

    def properties(self, **properties: Any) -> View:
        """Return the view with its size, or a title."""
        return replace(self, content={**self.content, **options(**properties)})

    def to_dict(self) -> Options:
        """Return the whole specification, its data sets included."""
        datasets: dict[str, Rows] = {}
        return {**_spec(self, datasets, {}), "$schema": _SCHEMA, "datasets": datasets}


def mark(kind: str, data: Rows, /, **look: Any) -> View:
    """Return *data* as marks of a *kind*: circle, line or rule, for example."""
    return View({"mark": {"type": kind, **options(**look)}}, data)


def layer(*views: View) -> View:
    """Return *views* one upon the other; data that all of them share stands once."""
    data = views[0].data
    if any(view.data is not data for view in views):
        return View(arranged="layer", parts=views)
    return View({}, data, "layer", tuple(replace(view, data=None) for view in views))


def side_by_side(*views: View, spacing: int) -> View:
    """Return *views* from left to right, *spacing* pixels apart."""
    return View({"spacing": spacing}, None, "hconcat", views)


def options(**given: Any) -> Options:
    """Return options of a mark, a scale, an axis, a legend or a title, in order of their names."""
    return {name: given[name] for name in sorted(given)}


def encoded(short: str, /, **given: Any) -> Options:
    """Return how a field of the data is shown: *short* is `field:T`, by the letter of its type."""
    name, _, kind = short.partition(":")
    return options(field=name, type=_TYPES[kind], **given)


def datum(value: float) -> Options:
    """Return a constant of the data's own scale."""
    return {"datum": value}


def condition(test: str, if_true: str, otherwise: str) -> Options:
    """Return one of two values, by a *test* on each datum."""
    return {"condition": {"test": test, "value": if_true}, "value": otherwise}


def _spec(view: View, datasets: dict[str, Rows], names: dict[int, str]) -> Options:
    """Return a view's part of a specification; *names* are those of *datasets*, by their id."""
    spec: Options = {}
    if view.parts:
        spec[view.arranged] = [_spec(part, datasets, names) for part in view.parts]
    if view.data is not None:
        name = names.get(id(view.data)) or _name(view.data)
        names[id(view.data)], datasets[name] = name, view.data
        spec["data"] = {"name": name}
    return spec | view.content


def _channel(name: str, shown: str | Mapping[str, Any] | Sequence[Options]) -> Any:
    if not isinstance(shown, str):
        return shown
    spelled = encoded(shown)
    if name in _SECONDARY:
        del spelled["type"]
    return spelled


def _name(data: Rows) -> str:
    text = json.dumps(data, sort_keys=True)
    return f"data-{hashlib.sha256(text.encode()).hexdigest()[:_NAME_DIGITS]}"
