"""One job in full, as text: what `pipeline jobs show` prints and `pipeline top` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.operations.words import arguments, progress, shown
from runner.wording import local_time, span, with_local_times, zone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.operations.job import AttemptView, JobView, LaneView, UniqueView
    from runner.operations.why import Why


def facts(view: JobView, why: Why) -> dict[str, str]:
    """Its state and why, its arguments, its progress or result, by their labels."""
    found = {
        "job": view.name or "(unreadable)",
        "id": view.job_id,
        "queue": view.queue,
        "state": str(view.state),
        "why": with_local_times(sentence(why)),
        "arguments": arguments(view.arguments) or "none",
        "enqueued": f"{local_time(view.enqueued_at)} {zone()}",
        "due": local_time(view.due_at),
        "attempts": f"{view.attempts_made}"
        + (f", {view.attempts_spent} failed" * bool(view.attempts_spent))
        + (f", {view.crashes} lost" * bool(view.crashes)),
    }
    if view.kept_until is not None:
        found["kept until"] = local_time(view.kept_until)
    if view.progress is not None:
        found["progress"] = progress(view.progress)
    if view.succeeded:
        found["result"] = repr(view.result)
    found |= _when(view)
    if view.unique is not None:
        found["unique key"] = _key(view.unique, view.job_id)
    if view.lane is not None:
        found["lane"] = lane(view.lane)
    if view.unreadable:
        found["unreadable"] = view.unreadable
    if view.raw is not None:
        found["body"] = view.raw
    return {name: shown(text) for name, text in found.items()}


def _when(view: JobView) -> dict[str, str]:
    """What its caller said of when it starts."""
    found = {}
    if view.deadline_at is not None:
        found["deadline"] = local_time(view.deadline_at)
    if view.start_within_s is not None:
        found["starts"] = f"within {span(view.start_within_s)} of when it is due, or expires"
    if view.head_start_s is not None:
        found["priority"] = head_start(view.head_start_s)
    return found


def head_start(seconds: float) -> str:
    """What a job's priority means."""
    return f"once due, it comes before what has waited up to {span(seconds)} longer"


def lane(one: LaneView) -> str:
    """A job's lane, and how full it is."""
    place = "" if one.ahead is None else f"; {one.ahead:,} come before this job"
    return f"{one.lane}, {one.inside:,} of {one.limit:,} inside, {one.waiting:,} waiting{place}"


def _key(unique: UniqueView, job_id: str) -> str:
    if unique.holder is None:
        return f"{unique.key}, held by none"
    who = "this job" if unique.holder == job_id else unique.holder
    after = f"; {unique.next} comes next" if unique.next not in {None, job_id} else ""
    return f"{unique.key}, held by {who}{after}"


def timeline(view: JobView) -> Iterator[str]:
    """Lines on each attempt, the running one included, with its error and its log."""
    for attempt in view.attempts:
        yield ""
        yield from map(shown, _attempt(attempt))
    running = view.running
    if running is not None:
        yield ""
        began = f"attempt {running.attempt}, runs since {local_time(running.started_at)}"
        yield from map(shown, (f"{began} {running.worker}", *(f"  {one}" for one in running.lines)))


def sentence(why: Why) -> str:
    """Why it is not running yet, and what to do about it."""
    return f"{why.sentence} {why.remedy}".strip()


def _attempt(attempt: AttemptView) -> Iterator[str]:
    number = "by hand" if attempt.number is None else f"attempt {attempt.number}"
    took = "" if attempt.duration_s is None else f", {span(attempt.duration_s)}"
    yield f"{number}, ended {local_time(attempt.ended_at)}{took} {attempt.worker}".rstrip()
    if attempt.error:
        error = attempt.traceback or f"{attempt.error}: {attempt.message}"
        yield from error.rstrip().splitlines()
    for line in attempt.lines:
        yield f"  {line}"
