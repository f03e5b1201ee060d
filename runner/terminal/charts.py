"""
Charts in characters, over the axis and the scales of the pages' charts.

A step is as many cells wide as the screen has room for; a bar's head is drawn in eighths of a cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rich.text import Text

from runner.operations.plot import (
    SHARES,
    Axis,
    failed_words,
    is_unread,
    nice,
    wait_bounds,
    wait_place,
)
from runner.wording import milliseconds, number, short

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from runner.operations.metrics import Cell, Deploy

DONE, FAILED, MUTED = "green", "red", "dim"
WAITS: Final = ("blue", "cyan", "magenta")
"""Colours of what half, 95 and 99 of 100 waits stay below."""

_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_UNREAD: Final = "░"
_LABEL: Final = 15
_SCALE: Final = 8
_NAMES: Final = ("half below", "95 % below", "99 % below")


def bars(values: Sequence[float], *, most: float = 0, rows: int = 1, wide: int = 1) -> list[str]:
    """
    Bars of *values* in *rows* of characters, the highest row first; only 0 is blank.

    most: what a full bar stands for; 0: the highest value. wide: cells of each bar.
    """
    most = most or max(values, default=0) or 1
    full = len(_EIGHTHS) - 1
    tall = [max(1, round(value / most * rows * full)) if value else 0 for value in values]
    return [
        "".join(_EIGHTHS[min(full, max(0, one - row * full))] * wide for one in tall)
        for row in reversed(range(rows))
    ]


def strips(
    cells: Sequence[Cell],
    *,
    room: tuple[int, int],
    until: datetime,
    deploys: Sequence[Deploy] = (),
    polls: Sequence[datetime] = (),
) -> Text:
    """
    Done and failed attempts and the waits of each step, over one axis.

    room: the columns and rows that there are; with few rows, waits are left out first.
    """
    timed = [(cell, cell.at) for cell in cells if cell.at is not None]
    wide = max(1, (room[0] - _LABEL - _SCALE) // max(1, len(timed)))
    timed = timed[-max(1, (room[0] - _LABEL - _SCALE) // wide) :]
    if not timed:
        return Text("Nothing has ended in the last hour.")
    step = timedelta(minutes=1) if len(timed) < 2 else timed[1][1] - timed[0][1]  # noqa: PLR2004
    axis = Axis(timed[0][1], max(until, timed[-1][1] + step))
    gaps = [not cell.attempts and is_unread(at, at + step, polls) for cell, at in timed]
    shown = [cell for cell, _ in timed]
    last = shown[-2] if len(shown) > 1 else shown[-1]
    with_waits = room[1] >= _WITH_WAITS
    heights = _heights(room[1] - 1 - 3 * with_waits)
    lines = [
        *_Strip("Done", number(last.done), DONE, gaps, wide).lines(
            [one.done for one in shown], heights[0]
        ),
        *_Strip("Failed", failed_words(last), FAILED, gaps, wide).lines(
            [one.failed for one in shown], heights[1]
        ),
        *(_waits(shown, last, wide) if with_waits else ()),
        _axis(axis, len(timed) * wide, deploys),
    ]
    return Text("\n").join(lines)


_WITH_WAITS: Final = 7


def _heights(rows: int) -> tuple[int, int]:
    failed = max(1, rows // 3)
    return max(1, rows - failed), failed


@dataclass(frozen=True, slots=True)
class _Strip:
    """Bars below each other's label and scale. last: the value of the last full minute."""

    name: str
    last: str
    color: str
    gaps: Sequence[bool]
    wide: int

    def lines(self, values: Sequence[int], rows: int) -> Iterator[Text]:
        most = nice(max(values, default=0))
        labels = {0: (self.name, MUTED), 1: (self.last, f"bold {self.color}")}
        if rows == 1:
            labels = {0: (f"{self.name} {self.last}", f"bold {self.color}")}
        scale = {rows - 1: "0", 0: short(most)}
        for row, drawn in enumerate(bars(values, most=most, rows=rows, wide=self.wide)):
            label, style = labels.get(row, ("", ""))
            line = Text(f" {label[: _LABEL - 2]:<{_LABEL - 1}}", style=style)
            for place, is_gap in enumerate(self.gaps):
                at = place * self.wide
                cell = _UNREAD * self.wide if is_gap else drawn[at : at + self.wide]
                line.append(cell, MUTED if is_gap else self.color)
            yield line.append(f" {scale.get(row, ''):>{_SCALE - 2}}", MUTED)


def _waits(cells: Sequence[Cell], last: Cell, wide: int) -> Iterator[Text]:
    low, high = wait_bounds(cells)
    for share, name, color in zip(SHARES, _NAMES, WAITS, strict=True):
        found = [cell.wait_percentile_ms(share) for cell in cells]
        places = [0.0 if one is None else 0.12 + 0.88 * wait_place(one, low, high) for one in found]
        line = Text(f" {name:<{_LABEL - 1}}", style=MUTED)
        line.append(bars(places, most=1, wide=wide)[0], color)
        line.append(f" {milliseconds(last.wait_percentile_ms(share))}", f"bold {color}")
        yield line


def _axis(axis: Axis, width: int, deploys: Sequence[Deploy]) -> Text:
    """Clock times of this machine's zone, and each deploy where it was; a deploy wins."""
    line = [" "] * width
    styles = [MUTED] * width
    marks = [
        *((at, f"╵{at.astimezone():%H:%M}", MUTED) for at in axis.ticks()),
        *(
            (one.at, f"▲{one.release}", "magenta")
            for one in deploys
            if one.at is not None and axis.since <= one.at <= axis.until
        ),
    ]
    for at, text, style in marks:
        place = min(int(axis.place(at) * width / 100), width - 1)
        place = max(0, min(place, width - len(text))) if style == "magenta" else place
        for offset, character in enumerate(text[: width - place]):
            line[place + offset], styles[place + offset] = character, style
    found = Text(" " * _LABEL)
    for character, style in zip(line, styles, strict=True):
        found.append(character, style)
    return found
