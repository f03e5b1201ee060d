"""
What tests of the runner share.

`workers` starts, stops and kills workers in this process; `reports` is where their jobs report and
wait; `records` reads what Redis holds of a job; `inside`, alone, reaches into the parts of a worker
or a client: to break them, and to see what nothing else shows.
"""

from tests.runner_kit.inside import (
    LosesAnswers,
    ask_after_starts,
    before_each_job,
    break_heartbeat,
    claims_made,
    cut_off_enqueues,
    give_back_prefetched,
    give_up,
    has_unsettled,
    holds_nothing,
    is_away,
    lose_answers_to_claims,
    lose_answers_to_enqueues,
    lose_answers_to_heartbeats,
    lose_answers_to_settles,
    never_settle,
    note_given_back,
    note_rests,
    note_settles,
    note_started_ahead,
    prefetched,
    renew_leases,
    set_slots,
    slots_taken,
    stop_renewing,
)
from tests.runner_kit.records import (
    crashes,
    dead_ids,
    history,
    result_of,
)
from tests.runner_kit.reports import (
    Stage,
    stage,
)
from tests.runner_kit.waiting import (
    PATIENCE_S,
    eventually,
    soon,
)
from tests.runner_kit.workers import (
    MortalWorker,
    QuickSettings,
    at_rest,
    is_running,
    mortal,
    settings,
    start,
    stop,
    worker,
    working,
)

__all__ = [
    "PATIENCE_S",
    "LosesAnswers",
    "MortalWorker",
    "QuickSettings",
    "Stage",
    "ask_after_starts",
    "at_rest",
    "before_each_job",
    "break_heartbeat",
    "claims_made",
    "crashes",
    "cut_off_enqueues",
    "dead_ids",
    "eventually",
    "give_back_prefetched",
    "give_up",
    "has_unsettled",
    "history",
    "holds_nothing",
    "is_away",
    "is_running",
    "lose_answers_to_claims",
    "lose_answers_to_enqueues",
    "lose_answers_to_heartbeats",
    "lose_answers_to_settles",
    "mortal",
    "never_settle",
    "note_given_back",
    "note_rests",
    "note_settles",
    "note_started_ahead",
    "prefetched",
    "renew_leases",
    "result_of",
    "set_slots",
    "settings",
    "slots_taken",
    "soon",
    "stage",
    "start",
    "stop",
    "stop_renewing",
    "worker",
    "working",
]
