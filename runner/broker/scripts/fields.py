"""
What each script takes, field by field, in the order in which the fields are sent.

A call of a script is a head, then blocks of fields, one block for each job. Both sides use these
declarations: Python sends a block as it is, and `scripts` puts the positions of the fields into the
Lua text, where `JOB.due_ms` is the position of a field within its block, `JOB.size` the length of a
block, and `HEAD.queue` a position in ARGV. docs/reference-scripts.md is generated from them.

Times are in Unix ms, lengths of time in ms. '' means none, unless a field says otherwise.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

Text = str | bytes
Number = int | float | str


class EnqueueHead(NamedTuple):
    """One call, for jobs of one queue."""

    batch_ttl_s: Annotated[int, "seconds that a batch is kept once its jobs have ended"]
    queue: Annotated[str, "the queue's name"]
    form: Annotated[
        str,
        "'fresh': short blocks, for jobs that are due now, have fresh random ids and are sent for "
        "the first time; '': full blocks",
    ] = ""
    batch: Annotated[str, "of the form 'fresh': the batch to which all of them belong"] = ""


class FreshJob(NamedTuple):
    """A job, short."""

    id: Annotated[str, "a fresh random id"]
    body: Annotated[bytes, "the job's body, JSON"]


class NewJob(NamedTuple):
    """A job, in full."""

    id: Annotated[str, "the job's id"]
    body: Annotated[bytes, "the job's body, JSON"]
    due_ms: Annotated[Number, "when it is due"] = ""
    delay_ms: Annotated[Number, "from now until it is due"] = ""
    mode: Annotated[
        str,
        "'new': a fresh random id; 'unique': refused while a job of that id is pending; "
        "'arq': refused as well while a result of that id is kept",
    ] = "new"
    expires_ms: Annotated[Number, "from now until the body expires; '' for never"] = ""
    batch: Annotated[str, "the batch that it belongs to"] = ""
    schedule: Annotated[str, "the schedule that enqueues it"] = ""
    tick_ms: Annotated[Number, "the time of that tick"] = ""
    period_ms: Annotated[
        Number, "time between its ticks: a last tick further in the future is a mistake"
    ] = ""
    overlap: Annotated[
        Number, "0: skip the tick while the job of an earlier one has not ended; '': enqueue it"
    ] = ""
    spent: Annotated[Number, "attempts that already count as spent"] = ""
    unique: Annotated[
        str,
        "its unique key, with a bar between: 32 hexadecimal digits; what to do if it is held, "
        "'skip', 'replace', 'reschedule', 'after' or 'raise'; until when, 'started' or 'done'; "
        "'dead' if a dead job holds it, too; for how many ms it is held after the job is done; for "
        "how many ms at most it is rescheduled; its job's name",
    ] = ""
    deadline_ms: Annotated[
        Number, "from now until no attempt starts any more: its body says when, as `x`"
    ] = ""
    lane: Annotated[
        str,
        "unless it is to wait if there is no place, 'skip', 'newest' or 'cancel_running' and its "
        "job's name, in a line each; "
        "how many jobs of its lane may stand in the queue or run; 's' if a place is free once its "
        "job is claimed, and then for a rate ms for each unit, a slash and the job's units; a bar, "
        "and the lane's name",
    ] = ""
    ahead_ms: Annotated[
        Number, "once it is due, it stands in its queue as if that had been so much earlier"
    ] = ""


class ClaimHead(NamedTuple):
    """
    One claim.

    Followed by the labels under which jobs are parked that the worker knows: these come first.
    """

    limit: Annotated[int, "how many jobs to claim at most"]
    lease_ms: Annotated[int, "how long the claim holds"]
    token: Annotated[str, "of this claim; each claim has a new one"]
    worker_id: Annotated[str, "the prefix of the worker's tokens"]
    mode: Annotated[
        str,
        "'': claim jobs; 'idle': the same, but none while suspects are due: nothing runs in the "
        "worker's process, so it can run those; 'suspect': claim one suspect, and nothing else",
    ] = ""
    volunteer_ms: Annotated[
        int,
        "if suspects are due and nobody else has volunteered: for how long this worker would, to "
        "let its jobs end and then run the suspects; 0 not at all",
    ] = 0
    most_bytes: Annotated[int, "no more jobs once the bodies have so many bytes"] = 1 << 20


class RecoverHead(NamedTuple):
    """One call; followed by the ids of jobs whose leases may have lapsed."""

    unanswered: Annotated[
        str, "put back what is held under this token: its claim was never answered; '' for none"
    ] = ""
    finished: Annotated[str, "the worker whose lapsed jobs have all been put back; '' for none"] = (
        ""
    )
    worker_id: Annotated[str, "the worker that asks; '' for an unknown one"] = ""


class StartHead(NamedTuple):
    """One call; followed by the ids of the jobs that start."""

    token: Annotated[str, "of their claim"]


class RenewHead(NamedTuple):
    """One call, for jobs that a worker runs."""

    lease_ms: Annotated[int, "from now until the leases end"]
    worker_id: Annotated[str, "the worker that runs them"]
    outlived: Annotated[
        int, "1: the worker has read that it lost these, so it lives; or else 0"
    ] = 0


class Lease(NamedTuple):
    """A job that the worker runs."""

    id: Annotated[Text, "the job's id"]
    token: Annotated[str, "of its claim"]


class SettleHead(NamedTuple):
    """One call, for outcomes of one queue: short blocks first, then full ones."""

    queue: Annotated[str, "the queue's name"]
    batch_ttl_s: Annotated[int, "seconds that a batch is kept once its jobs have ended"]
    short: Annotated[int, "how many blocks are short"] = 0
    short_keep_ms: Annotated[int, "how long to keep their results; -1 for ever, 0 not at all"] = 0
    keep_done: Annotated[
        Number,
        "how many jobs that have ended stay listed; 0 for none; '': all, until a later call",
    ] = 0


class ShortOutcome(NamedTuple):
    """The outcome of a job that is done and belongs to no batch."""

    id: Annotated[Text, "the job's id"]
    token: Annotated[str, "of its claim"]
    result: Annotated[bytes, "its result, JSON"] = b""


class FullOutcome(NamedTuple):
    """Any outcome."""

    kind: Annotated[
        str,
        "'done', 'retry', 'dead', 'release', 'abort', 'fail' (it failed, and is neither retried "
        "nor dead), 'expire' (it was too late to start it), 'unclaim' (it was not started), 'park' "
        "(it cannot run in this worker, and waits outside the queue for one that knows it), or "
        "'offer' (it still runs: another worker may claim it, and no crash is counted; until then "
        "its holder may settle it)",
    ]
    id: Annotated[Text, "the job's id"]
    token: Annotated[str, "of its claim"]
    ms: Annotated[
        Number,
        "retry and release: the delay from now (release, 0: due as it was); otherwise how long to "
        "keep the result, -1 for ever, 0 not at all",
    ] = 0
    result: Annotated[bytes, "its result, JSON"] = b""
    entry: Annotated[
        bytes,
        "an entry for the history; park: the label to wait under; release: 'lane' to hold its "
        "whole lane for as long; done: what a node of a flow passes on: in a "
        "line the lengths of lists over which maps go, then its result, JSON",
    ] = b""
    spent: Annotated[int, "attempts spent by now"] = 0
    batch: Annotated[str, "the batch that it belongs to"] = ""
    units: Annotated[
        Number, "of its lane's rate that the attempt has spent; '': as many as its claim took"
    ] = ""


class AdminHead(NamedTuple):
    """One action on jobs that wait or are dead."""

    action: Annotated[
        str,
        "'run' (make it due now; a dead job gets all its attempts back), 'bury', 'delete', 'trim' "
        "(delete, but only from the dead set), 'reschedule', 'abort', 'move' (to another queue; a "
        "dead job is ready there)",
    ]
    queue: Annotated[str, "the queue's name"]
    batch_ttl_s: Annotated[int, "seconds that a batch is kept once its jobs have ended"]
    due_ms: Annotated[Number, "reschedule: when it is due"] = ""
    delay_ms: Annotated[Number, "reschedule: from now until it is due, if due_ms is ''"] = ""
    entry: Annotated[Text, "bury: entry for the history"] = ""
    keep_ms: Annotated[Number, "abort: how long to keep the results; 0 not at all"] = 0
    target_key: Annotated[str, "move: the key of the other queue"] = ""
    target: Annotated[str, "move: the name of the other queue"] = ""


class AdminJob(NamedTuple):
    """A job to act on."""

    id: Annotated[Text, "the job's id"]
    result: Annotated[Text, "abort: its result, JSON"] = ""


class BatchHead(NamedTuple):
    """One action on a batch."""

    action: Annotated[
        str,
        "'open' (a creator adds jobs), 'renew' (it still does), 'close' (it has added all), "
        "'overdue' (the same, if it was to renew by now), 'cancel' (no job may come any more), "
        "'look' (strike off members that stand nowhere); of a flow: 'nodes' (take nodes in), "
        "'start' (take the last ones in, and start), 'ready' (start more of those that are ready), "
        "'drop' (drop nodes that wait, after 'cancel')",
    ]
    id: Annotated[str, "the batch's id"]
    batch_ttl_s: Annotated[int, "seconds that a batch is kept once its jobs have ended"]
    open_ms: Annotated[int, "open, renew and nodes: from now until the creator counts as lost"] = 0
    name: Annotated[str, "open, nodes and start: its name, for people"] = ""
    abandoned: Annotated[str, "open: 'close' or 'cancel', if its creator is lost"] = ""
    parent: Annotated[str, "open: the batch that it is in; '' for none"] = ""
    complete: Annotated[bytes, "open and start: the letter to enqueue once no job is pending"] = b""
    success: Annotated[bytes, "open and start: the letter to enqueue once all jobs are done"] = b""
    death: Annotated[bytes, "open and start: the letter to enqueue at the first death"] = b""
    flow: Annotated[str, "nodes and start: distinguishes this start from others of that id"] = ""
    nodes: Annotated[int, "start: how many nodes it has in all"] = 0
    jobs: Annotated[
        str,
        "start: how many jobs its nodes are, by queue; a queue, a tab and a number in a line each",
    ] = ""


class BatchMember(NamedTuple):
    """A job of a batch that may have ended."""

    queue_key: Annotated[str, "the key of its queue"]
    queue: Annotated[str, "its queue's name"]
    id: Annotated[Text, "the job's id"]
    passed: Annotated[bytes, "of a node that is done: what it passes on, as an outcome's entry"] = (
        b""
    )


class ReleaseHead(NamedTuple):
    """One call; followed by ids of jobs, or by unique keys."""

    action: Annotated[
        str,
        "'look' (free the keys of those jobs that stand nowhere), 'ahead' (forget the head "
        "starts of those) or 'release' (free these keys)",
    ]


class LaneHead(NamedTuple):
    """One call; followed by names of lanes."""

    action: Annotated[
        str,
        "'look' (take out of these lanes what stands nowhere, and let in whoever comes next) or "
        "'limit' (give them another limit)",
    ]
    limit: Annotated[Number, "limit: how many jobs may be inside; '': as their jobs say"] = ""


class FlowNode(NamedTuple):
    """A node of a flow."""

    id: Annotated[str, "its number; its job's id is that of the flow, ':' and this"]
    record: Annotated[
        str,
        "in a line each: what follows if it fails, 'wait', 'go_on' or 'cancel'; the nodes that "
        "need it; those that it needs; its queue's name; its job's name",
    ]
    letter: Annotated[
        bytes,
        "in a line each: its queue's key, its body before and after the time of enqueueing, its "
        "queue's name, ms until it is due, and for a map where the number of its jobs stands",
    ]
    needs: Annotated[int, "how many nodes it needs"]


class BeatHead(NamedTuple):
    """One heartbeat of a worker."""

    worker_id: Annotated[str, "the worker's id"]
    entry: Annotated[bytes, "what it is and does, JSON"]
    health_key: Annotated[str, "where `arq --check` looks"]
    health: Annotated[str, "the line that it reads, without its last number, the queue's length"]
    lives_ms: Annotated[int, "how long entry and line live"]


class NoteHead(NamedTuple):
    """One entry; followed by names and values of its fields."""

    most: Annotated[int, "about how many entries to keep"]


class ElectHead(NamedTuple):
    """One worker's turn to poll, if it is the first of its group in this interval."""

    interval_ms: Annotated[int, "time between two polls"]
    kept_ms: Annotated[int, "how long to keep the time of the last poll"]


class SetBackHead(NamedTuple):
    """One range of a queue, after Redis's clock was set back."""

    until_ms: Annotated[int, "the latest time that the clock may have shown before"]
    jump_ms: Annotated[int, "how far it may have been set back"]
    lease_ms: Annotated[int, "from now until leases end at the latest"]
    skip: Annotated[int, "how many entries to skip: what the last call returned, at first 0"]
    most: Annotated[int, "how many entries to look at"]


class CountHead(NamedTuple):
    """One batch of counts."""

    number: Annotated[int, "of this batch; one more than that of the last"]
    guard_ttl_s: Annotated[int, "seconds to keep the guard"]
    now_ms: Annotated[int, "the time now"]


class JobCount(NamedTuple):
    """Counts of one job and minute; followed by *counts* pairs: a field, and what to add."""

    name: Annotated[str, "queue|job"]
    minute_key: Annotated[str, "the hash of its counts by minute"]
    minute_kept_ms: Annotated[int, "how long to keep that"]
    minute_ms: Annotated[int, "the start of its minute"]
    slot_key: Annotated[str, "the hash of its counts by ten minutes"]
    slot_kept_ms: Annotated[int, "how long to keep that"]
    slot_ms: Annotated[int, "the start of its slot"]
    counts: Annotated[int, "how many counts follow"]


class ClaimReply(NamedTuple):
    """The head of a claim's reply."""

    now_ms: Annotated[bytes, "the time now"]
    next_due_ms: Annotated[bytes, "when to claim again; -1 if unknown, -2 if the queue is paused"]
    fence: Annotated[bytes | int, "higher than that of any claim before; 0 if no job was claimed"]
    suspects: Annotated[
        int, "1 if suspects are due; 2 if, besides, this worker has volunteered; otherwise 0"
    ]
    parked: Annotated[
        int | list[bytes],
        "1 if jobs are parked, otherwise 0; the names of those that are paused, if some are",
    ]
    more: Annotated[int, "1 if the bodies became too large to claim all that is due, otherwise 0"]
    lapsed: Annotated[
        list[bytes],
        "workers whose leases have all lapsed: put their jobs back, and claim again; "
        "no job was claimed",
    ]
    stray: Annotated[list[bytes], "jobs that a living worker no longer renews: put them back"]
    extras: Annotated[list[bytes | int], "an EXTRA for each job that needs one"]


class Claimed(NamedTuple):
    """In the reply of a claim: a job that was claimed."""

    id: Annotated[bytes, "the job's id"]
    body: Annotated[bytes | None, "the job's body; None if it is gone"]
    due_ms: Annotated[bytes, "when it was due from the first"]


class Extra(NamedTuple):
    """In the reply of a claim: what few jobs have."""

    place: Annotated[int, "the job's number among the claimed ones, from 1"]
    spent: Annotated[int, "attempts spent"]
    crashes: Annotated[int, "how many workers were lost with it, in the last three days"]
    aborted: Annotated[
        int | bytes,
        "1 if it is to be aborted, otherwise 0; for whose sake, if another job took its place",
    ]
    before: Annotated[
        bytes, "the token under which this very worker held it until now; '' for none"
    ]


class Beat(NamedTuple):
    """The reply of `beat`."""

    now_ms: Annotated[int, "Redis's time, Unix ms"]
    health: Annotated[bytes, "the line that `arq --check` reads"]
    order: Annotated[bytes, "what an operator asks of the worker; '' for nothing"]
    set_aside: Annotated[
        list[bytes], "`<type>|<key>` of what was set aside, and nobody has said so far"
    ]


class Election(NamedTuple):
    """The reply of `elect`."""

    now_ms: Annotated[int, "Redis's time, Unix ms"]
    is_elected: Annotated[int, "1 if the worker that asked is to poll, otherwise 0"]
    next_in_ms: Annotated[int, "time until the next poll"]
    set_back_ms: Annotated[int, "how far before the last poll Redis's clock is now; usually 0"]
    noted_ms: Annotated[int, "the time of the last poll as it was noted again, Unix ms; 0 if none"]


class UnparkHead(NamedTuple):
    """One call; followed by labels."""

    most: Annotated[int, "how many jobs to put back at most"]


class GuessHead(NamedTuple):
    """One guess at a password or token."""

    guess: Annotated[str, "tells it from others; '' to ask only, and count nothing"]
    most: Annotated[int, "how many guesses may be wrong in a window"]
    window_ms: Annotated[int, "how long a window is, from its first guess on"]


class LookHead(NamedTuple):
    """One look; followed by the type of each key."""

    each: Annotated[int, "how many bytes of a string or an entry to read at most"]
    all: Annotated[int, "how many bytes to read at most"]
    entries: Annotated[int, "how many entries of a list to read at most"]
    start: Annotated[int, "how many bytes to read of a string that is too long"] = 1024


class Gauges(NamedTuple):
    """The reply of `gauges`: how many jobs a queue has in each state; -1 if that is unreadable."""

    due: Annotated[int, "due now"]
    total: Annotated[int, "waiting or running"]
    retrying: Annotated[int, "failed, and waiting for their next attempt"]
    running: Annotated[int, "running"]
    dead: Annotated[int, "dead"]
    done: Annotated[int, "ended without dying, as far as they are listed"]
    parked: Annotated[int, "parked, since their workers did not know their names or parameters"]
    waiting: Annotated[int, "waiting for jobs that have their unique keys"]
    oldest_wait_ms: Annotated[int, "how long the oldest has been due; 0 if none is"]
    paused: Annotated[int, "1 if the queue is paused, otherwise 0"]
