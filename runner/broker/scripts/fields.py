"""
What each script takes, field by field, in the order in which it is sent.

A call of a script is its head, then blocks of fields, one block for each job. Both sides use the
declarations here: Python sends a block as it stands, and `scripts` puts the places of the fields
into the Lua text, where `JOB.due_ms` is the place of a field within its block, `JOB.size` the
length of a block, and `HEAD.queue` a place in ARGV. docs/reference-scripts.md is made from them.

Times are in Unix ms, lengths of time in ms. Unless a field says otherwise, '' stands for none.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

Text = str | bytes
Number = int | float | str


class EnqueueHead(NamedTuple):
    """Of one call for jobs of one queue."""

    batch_ttl_s: Annotated[int, "seconds that a batch outlives its last change"]
    queue: Annotated[str, "the queue's name"]
    form: Annotated[
        str,
        "'fresh': jobs that are due now, with fresh random ids, sent for the first time, in short; "
        "otherwise '', and jobs in full",
    ] = ""


class FreshJob(NamedTuple):
    """A job in short."""

    id: Annotated[str, "a fresh random id"]
    body: Annotated[bytes, "the job's body, JSON"]


class NewJob(NamedTuple):
    """A job in full."""

    id: Annotated[str, "the job's id"]
    body: Annotated[bytes, "the job's body, JSON"]
    due_ms: Annotated[Number, "when it is due"] = ""
    delay_ms: Annotated[Number, "from now until it is due"] = ""
    mode: Annotated[
        str,
        "'new': a fresh random id; 'unique': refused while a job of that id is pending or dead; "
        "'arq': refused as well while a result of that id is kept",
    ] = "new"
    expires_ms: Annotated[Number, "from now until the body expires; '' for never"] = ""
    batch: Annotated[str, "the batch that it belongs to"] = ""
    schedule: Annotated[str, "the schedule that it is a tick of"] = ""
    tick_ms: Annotated[Number, "the time of that tick"] = ""
    spent: Annotated[Number, "attempts that count as spent"] = ""


class ClaimHead(NamedTuple):
    """
    Of one claim.

    Then tokens of earlier claims whose answer never arrived, and then, if there are any, '' and the
    ids of jobs that rest because other workers did not know their name: they are taken first.
    """

    limit: Annotated[int, "most jobs to take"]
    lease_ms: Annotated[int, "how long the claim holds"]
    token: Annotated[str, "of this claim, never used before"]
    worker_id: Annotated[str, "which the worker's tokens begin with"]
    mark: Annotated[str, "'|ahead…' if the jobs are not started at once; otherwise ''"]


class StartHead(NamedTuple):
    """Of one call; then the ids of the jobs that start."""

    token: Annotated[str, "of their claim"]


class RenewHead(NamedTuple):
    """Of one call for all jobs that a worker holds."""

    lease_ms: Annotated[int, "from now until the leases end"]


class Lease(NamedTuple):
    """A job that the worker holds."""

    id: Annotated[Text, "the job's id"]
    token: Annotated[str, "of its claim"]


class SettleHead(NamedTuple):
    """Of one call for outcomes of one queue: first those in short, then those in full."""

    queue: Annotated[str, "the queue's name"]
    batch_ttl_s: Annotated[int, "seconds that a batch outlives its last change"]
    short: Annotated[int, "how many outcomes are in short"] = 0
    short_keep_ms: Annotated[int, "how long the results of those are kept; -1 for ever, 0 not"] = 0


class ShortOutcome(NamedTuple):
    """The outcome of a job of no batch that is done."""

    id: Annotated[Text, "the job's id"]
    token: Annotated[str, "of its claim"]
    result: Annotated[bytes, "its result, JSON"] = b""


class FullOutcome(NamedTuple):
    """Any outcome."""

    kind: Annotated[
        str,
        "'done', 'retry', 'dead', 'release', 'abort', 'fail' (ended without success), 'unclaim' "
        "(it was not started, and is due as before), or 'offer' (it has not ended: another worker "
        "may claim it, without a crash; until then its holder may settle it)",
    ]
    id: Annotated[Text, "the job's id"]
    token: Annotated[str, "of its claim"]
    ms: Annotated[
        Number,
        "retry and release: delay from now; unclaim: when it was due; otherwise how long the "
        "result is kept, -1 for ever, 0 not",
    ] = 0
    result: Annotated[bytes, "its result, JSON"] = b""
    entry: Annotated[bytes, "entry for the history, or the unknown name of a released job"] = b""
    spent: Annotated[int, "attempts that are spent now"] = 0
    batch: Annotated[str, "the batch that it belongs to"] = ""


class AdminHead(NamedTuple):
    """One action on one job that waits or is dead."""

    action: Annotated[
        str,
        "'run' (now, from wherever it waits, or out of the dead set with its attempts back), "
        "'bury', 'delete', 'trim' (delete, but only out of the dead set), 'reschedule', 'abort', "
        "'move' (to another queue; a dead job is ready there)",
    ]
    id: Annotated[Text, "the job's id"]
    queue: Annotated[str, "the queue's name"]
    batch_ttl_s: Annotated[int, "seconds that a batch outlives its last change"]
    due_ms: Annotated[Number, "reschedule: when it is due"] = ""
    entry: Annotated[Text, "bury: entry for the history"] = ""
    result: Annotated[Text, "abort: the result, JSON"] = ""
    keep_ms: Annotated[Number, "abort: how long the result is kept; 0 not"] = 0
    target_key: Annotated[str, "move: the key of the other queue"] = ""
    target: Annotated[str, "move: the name of the other queue"] = ""


class CountHead(NamedTuple):
    """Of one batch of counts."""

    number: Annotated[int, "of this batch, one more than the one before"]
    guard_ttl_s: Annotated[int, "seconds that the guard is kept"]
    now_ms: Annotated[int, "the time"]


class JobCount(NamedTuple):
    """Counts of one job and minute; behind it, twice *counts*: a count's field, and what to add."""

    name: Annotated[str, "queue|job"]
    minute_key: Annotated[str, "the hash of its minutes"]
    minute_kept_ms: Annotated[int, "how long that is kept"]
    minute_ms: Annotated[int, "the start of its minute"]
    slot_key: Annotated[str, "the hash of its ten-minute slots"]
    slot_kept_ms: Annotated[int, "how long that is kept"]
    slot_ms: Annotated[int, "the start of its slot"]
    counts: Annotated[int, "how many counts follow"]


class Claimed(NamedTuple):
    """In the reply of a claim: a job that was taken."""

    id: Annotated[bytes, "the job's id"]
    body: Annotated[bytes | None, "the job's body; None if it is gone"]
    due_ms: Annotated[bytes, "when it was due"]


class Odd(NamedTuple):
    """In the reply of a claim: what else there is to know of a job that was taken."""

    place: Annotated[int, "which of the jobs, from 1"]
    spent: Annotated[int, "attempts spent"]
    crashes: Annotated[
        int,
        "workers that it was lost with so far, if its last holder was lost; otherwise 0, and -1 if "
        "the worker that asks was its last holder",
    ]
    aborted: Annotated[int, "1 if somebody asked to abort it, otherwise 0"]
