"""What recommendations were looked for: the clearest answer of each subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.analysis.wording import times
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.theme import BLUE, INK, MUTED, SKY, WIDTH, finished, legend, rows
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.charts.chart import Chart

_ROW_HEIGHT: Final = 30
_TICKS: Final = (0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 1, 1.2, 1.5, 2, 3, 5, 10, 20, 50)
_ADVISED: Final = "carries advice"
NO_EVIDENCE: Final = "no evidence"
_WITHOUT: Final = {NO_EVIDENCE, "not asked"}


def answers(subjects: Sequence[Mapping[str, Any]]) -> Chart | None:
    """
    Draw the effect of each of *subjects* with its interval; None if nothing could be tested.

    *subjects* are the answers of `jobs.recommendations`, as they are stored.
    """
    asked = [one for one in subjects if one["evidence"] is not None]
    if not asked:
        return None
    advised = sum(one["strength"] not in _WITHOUT for one in asked)
    return finished(
        "answers",
        _drawing([_mark(one) for one in asked]),
        title=_title(len(asked), advised),
        reading=(
            "The clearest comparison of each subject: views against others of like age, with its "
            "interval. What crosses 1×, or fails the test, is no ground for advice."
        ),
        description="; ".join(f"{one['about']}: {one['strength']}" for one in subjects) + ".",
        table=Table(
            ["Looked at", "Answer", "What it rests on"],
            [[one["about"], one["strength"], one["sentence"]] for one in subjects],
        ),
    )


def _mark(one: Mapping[str, Any]) -> dict[str, Any]:
    evidence = one["evidence"]
    return {
        "about": one["about"],
        "low": evidence["low"],
        "effect": evidence["effect"],
        "high": evidence["high"],
        "text": times(evidence["effect"]),
        "series": NO_EVIDENCE if one["strength"] in _WITHOUT else _ADVISED,
    }


def _drawing(marks: list[dict[str, Any]]) -> vl.View:
    low = 0.92 * min(0.8, *(mark["low"] for mark in marks))
    high = 1.08 * max(1.25, *(mark["high"] for mark in marks))
    scale = vl.options(type="log", domain=[low, high], nice=False)
    axis = vl.options(
        title="views against others of like age (1× is no difference)",
        values=[tick for tick in _TICKS if low <= tick <= high],
        labelExpr="format(datum.value, '~g') + '×'",
        grid=True,
    )
    y = vl.encoded(
        "about:N",
        sort=[mark["about"] for mark in marks],
        axis=vl.options(title=None, labelColor=INK),
    )
    colour = vl.encoded(
        "series:N",
        scale=vl.options(domain=[_ADVISED, NO_EVIDENCE], range=[BLUE, SKY]),
        legend=legend(under_title=False),
    )
    at = vl.encoded("effect:Q", scale=scale, axis=axis)
    data, none = rows(marks), rows([{"effect": 1}])
    layers = [
        vl.mark("rule", none, color=MUTED, strokeDash=[4, 3]).encode(x=at),
        vl.mark("rule", data, strokeWidth=6, opacity=0.4).encode(
            x=vl.encoded("low:Q", scale=scale, axis=axis), x2="high:Q", y=y, color=colour
        ),
        vl.mark("circle", data, size=90, opacity=1).encode(x=at, y=y, color=colour),
    ]
    return vl.layer(*layers).properties(width=WIDTH, height=_ROW_HEIGHT * len(marks) + 10)


def _title(asked: int, advised: int) -> str:
    looked_at = counted(asked, "subject")
    if advised == 0:
        return f"{looked_at} looked at, and none shows more than chance explains"
    carry = "carries" if advised == 1 else "carry"
    return f"Of {looked_at} looked at, {advised} {carry} advice"
