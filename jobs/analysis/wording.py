"""Numbers and nouns in words, the same in analysis, advice, charts and reports."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import TYPE_CHECKING

from jobs.channel.records import Platform
from jobs.channel.words import spoken

if TYPE_CHECKING:
    from collections.abc import Sequence

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_NOUNS = {
    Platform.YOUTUBE: "video",
    Platform.PODCAST: "episode",
    Platform.STREAM: "stream",
    Platform.TIKTOK: "video",
    Platform.INSTAGRAM: "post",
    Platform.FACEBOOK: "post",
}
_EXACT_BELOW = 10_000
_DECIMALS_BELOW = 10
_MINUTE = 60
_PERCENT_BELOW = 10
_SMALLEST = 0.001
_UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "K"))
_MINUS = "−"


_ISO_DAY = re.compile(r"(?<![\w.:-])\d{4}-\d{2}-\d{2}(?![\w:-]|\.\w)", re.ASCII)
"""A day that stands alone; one within the name of a file does not."""


def noun(platform: Platform) -> str:
    """Return what *platform* calls one item: video, episode, stream, post or item."""
    return _NOUNS.get(platform, "item")


def audience(platform: Platform) -> str:
    """Return what *platform* calls those who follow a channel: on Twitch, subscribers pay."""
    return spoken("Subscribers", platform)


def number(value: float) -> str:
    """Return *value* with thousands separators; below ten with one decimal, unless that is zero."""
    if abs(value) < _DECIMALS_BELOW and not float(value).is_integer():
        return _signed(f"{value:.1f}".removesuffix(".0"))
    return _signed(f"{value:,.0f}")


def per_week(value: float) -> str:
    """Return a rate below one a week with two digits, so that a rare one does not become zero."""
    return f"{value:.2f}" if value < 1 else number(value)


def short(value: float) -> str:
    """Return *value* in at most four digits: 9,870 or 12.3K, 123K, 1.23M."""
    if abs(value) < _EXACT_BELOW:
        return number(value)
    # Rounding first keeps 999,999 from becoming 1000K.
    rounded = round(value, 2 - math.floor(math.log10(abs(value))))
    scale, unit = next(pair for pair in _UNITS if abs(rounded) >= pair[0])
    return _signed(f"{rounded / scale:.3g}{unit}")


def percent(share: float) -> str:
    """Return a share as “3.1%”, from ten per cent on as “31%”; a tiny one is not zero."""
    per_cent = 100 * share
    if abs(per_cent) >= _PERCENT_BELOW:
        return _signed(f"{per_cent:,.0f}%")
    return _signed(f"{per_cent:.2f}%" if abs(per_cent) < 1 else f"{per_cent:.1f}%")


def clock(seconds: int) -> str:
    """Return a length as “1:35” or “1:02:35”."""
    minutes, rest = divmod(seconds, _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def change(ratio: float) -> str:
    """Return a ratio as a change: 1.184 is “+18%”, 0.9 is “−10%”, 12.3 is “12×”."""
    if ratio >= _PERCENT_BELOW:
        return times(ratio)
    return _percent(ratio)


def change_within(ratio: float, low: float, high: float) -> tuple[str, str]:
    """
    Return a change and its interval, both in the form that suits *ratio*.

    “+89%” and “−42% to +1,020%”, or “12×” and “4.8× to 28×”.
    """
    if ratio >= _PERCENT_BELOW:
        return times(ratio), f"{times(low)} to {times(high)}"
    return _percent(ratio), f"{_percent(low)} to {_percent(high)}"


def times(ratio: float) -> str:
    """Return a ratio as a multiple: “1.4×”, “0.35×”, “12×”."""
    digits = 2 if ratio < 1 else 1 if ratio < _DECIMALS_BELOW else 0
    return f"{ratio:,.{digits}f}×"


def signed(value: int) -> str:
    """Return *value* with thousands separators and its sign, zero without one."""
    return "0" if value == 0 else _signed(f"{value:+,d}")


def step(value: float) -> str:
    """Return a change with its sign, in at most four digits: “+420”, “−1.2”, “−0.03”, “±0”."""
    text = short(abs(value))
    if text == "0" and abs(value) >= _SMALLEST:
        text = f"{abs(value):.1g}"
    if text == "0":
        return "±0"
    return f"+{text}" if value > 0 else f"{_MINUS}{text}"


def steps(low: float, high: float) -> str:
    """Return the two ends of a change's interval: “−900 to +80”."""
    return f"{step(low)} to {step(high)}"


def listed(names: Sequence[str]) -> str:
    """Return *names*, at least one, as a list in a sentence: “views, likes and comments”."""
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last


def day(when: date) -> str:
    """Return a date as “9 Feb 2026”."""
    return f"{when.day} {when:%b %Y}"


def with_days(text: str) -> str:
    """Return *text* of a source with its dates, `2026-02-09`, as `day` writes them."""
    return _ISO_DAY.sub(lambda found: _day_or(found[0]), text)


def _day_or(text: str) -> str:
    try:
        return day(date.fromisoformat(text))
    except ValueError:
        return text


def period(first: date, last: date) -> str:
    """Return two dates as “17 Jan – 10 Feb 2026”, the first year only where it differs."""
    if first == last:
        return day(first)
    start = f"{first.day} {first:%b}" if first.year == last.year else day(first)
    return f"{start} – {day(last)}"


def _percent(ratio: float) -> str:
    percent = round(100 * (ratio - 1))
    return "±0%" if percent == 0 else _signed(f"{percent:+,d}%")


def _signed(text: str) -> str:
    return text.replace("-", _MINUS)
