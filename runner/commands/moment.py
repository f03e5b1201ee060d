"""The type of an option that is a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class MomentType(click.ParamType[datetime | timedelta]):
    """A time: `10m`, `2h` or `1d` from Redis's now, or an ISO time with its zone."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | timedelta:
        """Read it."""
        if isinstance(value, datetime | timedelta):
            return value
        text = str(value).strip()
        unit = _UNITS_S.get(text[-1:])
        try:
            if unit is not None:
                return timedelta(seconds=float(text[:-1]) * unit)
            found = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not a time: write 90s, 10m, 2h, 1d or 2030-01-31T12:00Z", param, ctx
            )
        if found.tzinfo is None:
            self.fail(f"{value!r} needs its zone: write {value}Z for UTC", param, ctx)
        return found
