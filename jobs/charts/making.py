"""Make a chart so that one that fails costs no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.channel.text import cut, unbroken
from jobs.charts.chart import Chart
from jobs.charts.code_version import code_version
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from collections.abc import Callable

_log = lazy_log("jobs.charts")

_SHOWN_CHARACTERS = 160


def made(make: Callable[..., Chart | None], *data: Any) -> Chart | None:
    """Return what *make* makes of *data*; if it fails, a chart without a picture, and why."""
    try:
        return make(*data)
    except Exception as error:  # noqa: BLE001 -- data from outside may be odd in any way
        _log.exception("chart not made", chart=make.__name__)
        return without_picture(make, in_short(error), code_version())


def without_picture(make: Callable[..., Chart | None], reason: str, code: str) -> Chart:
    """Return the place of the chart that *make* should make, with the *reason* why it is empty."""
    name = make.__name__.replace("_", " ")
    spec = {"usermeta": {"code": code, "undrawn": reason}}
    return Chart(name.replace(" ", "-"), name.capitalize(), spec, name.capitalize())


def in_short(error: Exception) -> str:
    """Return what *error* says, in one line for people."""
    return cut(unbroken(str(error)) or type(error).__name__, _SHOWN_CHARACTERS)
