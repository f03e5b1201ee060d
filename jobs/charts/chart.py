"""What a chart is, before it is a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Chart:
    """
    One chart: a Vega-Lite *spec* with its data inside, needing nothing else to be drawn.

    *key* is its name among a channel's charts, *title* its finding in a sentence; the spec's
    subtitle says how to read it. *alt* tells it to who cannot see it.
    """

    key: str
    title: str
    spec: dict[str, Any]
    alt: str
