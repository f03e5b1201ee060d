"""Finds the few parts of a failing schedule that matter: it leaves parts out, and plays again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.play import Verdict, play

if TYPE_CHECKING:
    from tests.simulation.schedule import Schedule

_PARTS = ("faults", "jobs", "acts", "limits", "aside")


def shrink(schedule: Schedule, *, most_plays: int = 300) -> tuple[Schedule, Verdict]:
    """Return the smallest schedule found that breaks the same rule, and its verdict."""
    best, verdict = schedule, play(schedule)
    rule = rule_of(verdict)
    plays = 0
    improved = True
    while improved and plays < most_plays:
        improved = False
        for smaller in _smaller(best):
            plays += 1
            if plays > most_plays:
                break
            tried = play(smaller)
            if rule_of(tried) == rule:
                best, verdict, improved = smaller, tried, True
                break
    return best, verdict


def rule_of(verdict: Verdict) -> str:
    """Return the name of the first rule that was broken; empty if none was."""
    return verdict.faults[0].partition(":")[0] if verdict.faults else ""


def _smaller(schedule: Schedule) -> Any:
    """Yield schedules with fewer parts: halves first, then single parts."""
    for part in _PARTS:
        items = getattr(schedule, part)
        if len(items) > 1:
            half = len(items) // 2
            yield schedule.without(**{part: items[:half]})
            yield schedule.without(**{part: items[half:]})
    for part in _PARTS:
        items = getattr(schedule, part)
        for place in range(len(items)):
            yield schedule.without(**{part: items[:place] + items[place + 1 :]})
    if schedule.workers > 1:
        faults = tuple(fault for fault in schedule.faults if fault.who < schedule.workers - 1)
        yield schedule.without(workers=schedule.workers - 1, faults=faults)
    if schedule.stock_workers:
        faults = tuple(fault for fault in schedule.faults if fault.who < schedule.workers)
        yield schedule.without(stock_workers=0, faults=faults)
    if schedule.pool and not schedule.aside:
        yield schedule.without(pool="")
    if schedule.slots > 1:
        yield schedule.without(slots=1)


def described(schedule: Schedule) -> str:
    """Return what is left of a schedule, a line for each part."""
    head = (
        f"seed {schedule.seed}: {schedule.workers} workers with {schedule.slots} slots, "
        f"{schedule.stock_workers} stock workers{schedule.pool and f', a pool: {schedule.pool}'}"
    )
    lines = [head] + [f"  {part}" for kind in _PARTS for part in getattr(schedule, kind)]
    return "\n".join(lines)
