"""
Every Redis key, what it holds and how long it lives.

Each begins with its application's base: `arq:`, or its prefix, such as `shop:`; in a cluster with a
tag behind it, `shop:{shop}:`. The table has `arq:`.

arq's own layout, shared with stock arq clients and workers:

| key | type | holds | lives |
|---|---|---|---|
| `arq:queue:<queue>` | sorted set | job ids by due time, Unix ms; a claimed job by the end of its lease | while jobs wait or run |
| `arq:job:<id>` | string | the job's body, JSON | until the job is done; with a dead job |
| `arq:in-progress:<id>` | string | the token of the claim that runs the job | one lease, renewed |
| `arq:retry:<id>` | string | attempts spent; present wherever there is a history | as the body |
| `arq:result:<id>` | string | result or error, JSON | `keep_result_s` of the job |
| `arq:abort` | sorted set | ids asked to stop, by time asked, Unix ms | until seen, about a day at most |
| `arq:queue:<queue>:health-check` | string | a line of counters for `arq --check` | three heartbeats; deleted by the last worker to leave |

Our own keys beside it, each absent while empty:

| key | type | holds | lives |
|---|---|---|---|
| `arq:queue:<queue>:running` | hash | job id → `<token of its claim>|<its due time from the first>`; behind it `|alone` if it runs alone, `|offered` if a stopping worker lets any other claim it | while jobs run |
| `arq:queue:<queue>:holders` | sorted set | worker ids by the end of their longest lease, Unix ms | while they hold jobs |
| `arq:queue:<queue>:late` | hash | worker id → `<end of its longest lease>|<when it was first seen not to renew>`, Unix ms | until it leaves or is given up |
| `arq:queue:<queue>:suspects` | sorted set | ids of jobs that were lost with a worker, and wait to run alone, by due time | until claimed |
| `arq:queue:<queue>:volunteer` | string | the worker that lets its jobs end to run suspects alone | until it has, or for the time that it named |
| `arq:queue:<queue>:retrying` | sorted set | ids that failed and wait for their next attempt, by due time | until claimed |
| `arq:queue:<queue>:crashes` | hash | job id → for each time that it was lost with its worker, `<Unix ms>=<token of that claim>`; three days count | until the job is done; with a dead job |
| `arq:queue:<queue>:parked` | sorted set | ids of jobs that no worker so far could run, by due time | until one can |
| `arq:queue:<queue>:parked:<label>` | sorted set | those of one name, or of one name with parameters that were unknown, by due time | likewise |
| `arq:queue:<queue>:parked-names` | set | the labels of parked jobs | likewise |
| `arq:queue:<queue>:unknown` | hash | job id → the label under which it is parked | likewise |
| `arq:queue:<queue>:dead` | sorted set | ids of dead jobs by time of death, Unix ms | until retried, deleted or trimmed on request |
| `arq:queue:<queue>:done` | sorted set | ids of jobs that have ended without dying, by the time of their end, Unix ms | the last `keep_done`, for `keep_done_s` |
| `arq:queue:<queue>:died` | hash | id that its caller chose → `<id>~<ms>`, the id of the job that died under it last | until the id is used again, or that job is retried or deleted |
| `arq:queue:<queue>:unique` | hash | job id → `<its unique key>|<dead, if dead jobs hold it>|<ms that it is held once the job is done>|<since when, Unix ms>` | while the job waits, runs or is dead |
| `arq:queue:<queue>:waiting` | sorted set | ids of jobs that wait until the job with their unique key has ended, or for a place in their lane, by due time | until then |
| `arq:queue:<queue>:laned` | hash | job id → `<the limit that it was enqueued with, x if it was dropped, and its pace>|<its lane>` | while the job waits, runs or is dead |
| `arq:queue:<queue>:paced` | hash | lane → `<until when its tokens are used up, Unix ms>|<ms from then until that>|<ms for each unit>` | while the lane has jobs, and until then |
| `arq:queue:<queue>:lane:<lane>` | sorted set | ids of the lane's jobs: those inside by FAR_MS less than when they are due, the others by due time | while it has jobs |
| `arq:queue:<queue>:unseated` | sorted set | ids of jobs in the queue that have given up their places in their lanes, by due time | until the next claim |
| `arq:queue:<queue>:dropped` | hash | job id → id of the job that took its place in its lane: it never starts | until a worker has ended it |
| `arq:queue:<queue>:lanes` | hash | lane → `<limit of the job that came last>|<that of an operator>` | while it has jobs or a limit of an operator |
| `arq:queue:<queue>:ahead` | hash | job id → `<its head start, ms>|<the due time from which that was taken off, Unix ms>` | while the job waits, runs or is dead |
| `arq:queue:<queue>:later` | sorted set | ids of jobs that get their head starts once they are due, by due time | until then |
| `arq:unique:<key>` | hash | of a unique key, the job that holds it: `job`, and the key of its queue, `at`; `next` and `next_at`, the one that waits for it; `by`, the last call that changed one of them; `over` once the job is done and the key is still held | while it is held |
| `arq:queue:<queue>:paused` | string | who paused the queue, and when | until resumed |
| `arq:queue:<queue>:paused-jobs` | hash | name of a job → who paused it, and when: its jobs are parked | until resumed |
| `arq:queue:<queue>:wake` | list | tokens that idle workers block on, capped | until the queue is drained |
| `arq:queue:<queue>:workers` | sorted set | worker ids by last heartbeat, Unix ms | trimmed by the poller |
| `arq:worker:<id>` | string | what the worker is and does, JSON | three heartbeats |
| `arq:history:<id>` | list | one JSON object for each failed attempt | with the job, then as long as its result is kept |
| `arq:queues` | sorted set | queues by when one of their workers last announced them, Unix ms | while workers or jobs are there, and a day longer |
| `arq:batch:<id>` | hash | `<queue>|<state>` → number of jobs; `|<state>` → number of batches within it | while its jobs wait, run or are dead, and 30 days longer |
| `arq:batch:<id>:pending` | set | `<queue>|<id>` of the batch's jobs that wait or run; `|<id>` of batches within it that go on | while they do |
| `arq:batch:<id>:dead` | set | `<queue>|<id>` of the batch's dead jobs; `|<id>` of batches within it that have such jobs | while they are dead |
| `arq:batch:<id>:plan` | hash | `name`, `abandoned`, `closed_by`, `open_until_ms`, `ended_ms`, `cancelled_ms`; `parent`, the batch that it is in, and `told`, as what it has ended there; of a flow `flow`, `started_ms`; under `complete`, `success`, `death` the callbacks that are still to come, as the scripts enqueue them | as the batch |
| `arq:batch:<id>:nodes` | hash | of a flow: node → what follows if it fails, the nodes that need it, those that it needs, its queue, its job's name; in a line each | as the batch |
| `arq:batch:<id>:state` | hash | node → how many nodes it still needs, or `started`, `done`, `dead`, `failed` (the flow goes on), `aborted`, `expired`, `deleted`; for a map `<node>.count`, `.next` and `.left`, and its jobs as `<node>.<place>` | as the batch |
| `arq:batch:<id>:letters` | hash | node that waits → its job, as the scripts enqueue it | until it starts |
| `arq:batch:<id>:ready` | sorted set | nodes that need no more, and wait for the next step, by number | until they start |
| `arq:batch:<id>:results` | hash | node → what it passes on, JSON, or behind `!` how it failed; `<node>#…` → the length of a list | until the flow has ended and none of its jobs is dead |
| `arq:batches` | sorted set | batches by when they began, Unix ms | trimmed by the poller, once the batch is gone |
| `arq:batches:live` | sorted set | batches that have not ended by when the poller looks after them next, Unix ms | until they end |
| `arq:ticks` | hash | `<queue>|<schedule>` → last tick enqueued, Unix ms; `<queue>|<schedule>|job` → id of its job, where jobs must not overlap | for good |
| `arq:startup:<queue>|<name>` | string | the worker that enqueued this cron job as it started | a minute |
| `arq:metrics` | sorted set | `<queue>|<job>` by its last count, Unix ms | trimmed by the poller after four days |
| `arq:metrics:m:<hour>:<queue>|<job>` | hash | counts by minute: `<minute>|<field>`, fields as in `counts.FIELDS` | 9 hours |
| `arq:metrics:t:<day>:<queue>|<job>` | hash | the same by ten minutes | 4 days |
| `arq:metrics:total` | hash | `<queue>|<job>|<field>` → the total | for good |
| `arq:metrics-guard:<worker>` | string | number of the worker's last batch of counts | an hour |
| `arq:releases` | hash | release → when a worker of it first started, Unix ms | the last 200 |
| `arq:depth:<queue>` | stream | the queue's gauges at each poll, capped | for good |
| `arq:memory` | stream | the memory that Redis used at each poll, capped | for good |
| `arq:order:<worker>` | string | what an operator asks of the worker: `quiet`, `resume` or `stop` | until seen, a minute at most |
| `arq:schedule-paused` | hash | `<queue>|<schedule>` → who paused it, and when | until resumed |
| `arq:bulk:<id>` | hash | an action on many jobs, and its progress | a day |
| `arq:audit` | stream | who did what when, capped | for good |
| `arq:session:<digest>` | string | who logged in to the pages, and when they were last used, JSON; the cookie's SHA-256 is its name | until it is revoked, idle or over |
| `arq:sessions` | sorted set | those digests by when they are over at the latest, Unix ms | trimmed at each login |
| `arq:guesses:<kind>:<digest>` | set | wrong passwords or tokens of one `account` or `address`, by number or digest | five minutes |
| `arq:unstarted:<token>` | set | ids of the jobs of that claim that have not started | until they start or go back, three days at most |
| `arq:fence` | string | the highest fence so far | for good |
| `arq:revoked:<token>` | string | a claim that was given up, and must not take anything when it arrives late | an hour |
| `arq:polls` | hash | queue → time of its last poll, Unix ms | for good |
| `arq:poll:<group>` | string | time of the last poll of the workers that poll the same, Unix ms | a day |
| `arq:poll:<group>:again` | string | the same | a day |
| `arq:aside:<ms>:<key>` | any | what stood at that key, and was none of ours | 30 days; the last thousand |
| `arq:aside` | sorted set | the names of those keys by when they were set aside, Unix ms | as those |
| `arq:aside-untold` | list | `<type>|<name>` of those that no worker has logged | until the next heartbeat |
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from runner.checks import shown
from runner.errors import ConfigurationError, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable

RUNNING_SUFFIX = ":running"
HOLDERS_SUFFIX = ":holders"
LATE_SUFFIX = ":late"
SUSPECTS_SUFFIX = ":suspects"
VOLUNTEER_SUFFIX = ":volunteer"
RETRYING_SUFFIX = ":retrying"
CRASHES_SUFFIX = ":crashes"
UNKNOWN_SUFFIX = ":unknown"
PARKED_SUFFIX = ":parked"
PARKED_NAMES_SUFFIX = ":parked-names"
WAITING_SUFFIX = ":waiting"
UNIQUE_SUFFIX = ":unique"
LANED_SUFFIX = ":laned"
LANES_SUFFIX = ":lanes"
UNSEATED_SUFFIX = ":unseated"
PACED_SUFFIX = ":paced"
DROPPED_SUFFIX = ":dropped"
AHEAD_SUFFIX = ":ahead"
LATER_SUFFIX = ":later"
LANE_SUFFIX = ":lane:"
DEAD_SUFFIX = ":dead"
DONE_SUFFIX = ":done"
DIED_SUFFIX = ":died"
PAUSED_SUFFIX = ":paused"
PAUSED_JOBS_SUFFIX = ":paused-jobs"
WAKE_SUFFIX = ":wake"
WORKERS_SUFFIX = ":workers"
HEALTH_SUFFIX = ":health-check"
PLACES = ("", SUSPECTS_SUFFIX, PARKED_SUFFIX, WAITING_SUFFIX, DEAD_SUFFIX)
"""The sorted sets where a job stands that has not ended: what follows the queue's key."""

SUFFIXES = (
    RUNNING_SUFFIX,
    HOLDERS_SUFFIX,
    LATE_SUFFIX,
    SUSPECTS_SUFFIX,
    VOLUNTEER_SUFFIX,
    RETRYING_SUFFIX,
    CRASHES_SUFFIX,
    UNKNOWN_SUFFIX,
    PARKED_SUFFIX,
    PARKED_NAMES_SUFFIX,
    WAITING_SUFFIX,
    UNIQUE_SUFFIX,
    LANED_SUFFIX,
    LANES_SUFFIX,
    UNSEATED_SUFFIX,
    PACED_SUFFIX,
    DROPPED_SUFFIX,
    AHEAD_SUFFIX,
    LATER_SUFFIX,
    DEAD_SUFFIX,
    DONE_SUFFIX,
    DIED_SUFFIX,
    PAUSED_SUFFIX,
    PAUSED_JOBS_SUFFIX,
    WAKE_SUFFIX,
    WORKERS_SUFFIX,
)

ARQ_BASE = "arq:"
_ARQ_QUEUE = "arq:queue:"
_PREFIX = re.compile(r"(?!arq:)[A-Za-z0-9][A-Za-z0-9._-]{0,99}:")
_KEPT_QUEUE_KEYS = 1024

PARTITION = "~"
"""Stands before the number of a queue's partition: `mail~1` is one of `mail`."""

# `/…` is a whole key
_QUEUE_NAME = re.compile(
    rf"/[^\ud800-\udfff]{{1,500}}|[A-Za-z0-9._-]{{1,500}}(?:{PARTITION}[1-9][0-9]{{0,3}})?"
)
_OF_PARTITION = re.compile(rf"{PARTITION}[1-9][0-9]{{0,3}}\Z")
_TAKEN_NAMES = frozenset(suffix[1:] for suffix in (*SUFFIXES, HEALTH_SUFFIX))
"""As queues these would share keys with arq's own queue, `arq:queue`."""

BATCH_TTL_S = 30 * 86_400
BATCH_LOOK_S = 600
"""How often the poller looks whether the jobs of a batch are still there."""
FLOW_STEP = 500
"""How many nodes of flows one call of a script enqueues, and jobs of a map that are under way."""
FAR_MS = 10**13
"""In a lane, a score below 0 says that a job is inside: it is due so much later, in 2286 at most."""
ASIDE_TTL_S = 30 * 86_400
ASIDE_MOST = 1000
"""How many keys that were set aside are kept at most."""

WAKE_TOKENS = 64
"""How many tokens a wake list holds at most."""


class Keys:
    """
    The keys of one application: each begins with its base.

    Immutable; two with one base are equal. `Keys("")` has the names alone, without a base.
    """

    def __init__(self, base: str = ARQ_BASE) -> None:
        self.base: Final = base
        self.queue_prefix: Final = base + "queue:"
        self.job_prefix: Final = base + "job:"
        self.in_progress_prefix: Final = base + "in-progress:"
        self.result_prefix: Final = base + "result:"
        self.retry_prefix: Final = base + "retry:"
        self.abort: Final = base + "abort"
        self.queues: Final = base + "queues"
        self.history_prefix: Final = base + "history:"
        self.unique_prefix: Final = base + "unique:"
        self.batch_prefix: Final = base + "batch:"
        self.batches: Final = base + "batches"
        self.live_batches: Final = base + "batches:live"
        self.worker_prefix: Final = base + "worker:"
        self.ticks: Final = base + "ticks"
        self.metrics: Final = base + "metrics"
        self.metrics_minutes_prefix: Final = base + "metrics:m:"
        self.metrics_ten_minutes_prefix: Final = base + "metrics:t:"
        self.metrics_total: Final = base + "metrics:total"
        self.metrics_guard_prefix: Final = base + "metrics-guard:"
        self.releases: Final = base + "releases"
        self.depth_prefix: Final = base + "depth:"
        self.memory: Final = base + "memory"
        self.order_prefix: Final = base + "order:"
        self.schedule_paused: Final = base + "schedule-paused"
        self.bulk_prefix: Final = base + "bulk:"
        self.audit: Final = base + "audit"
        self.session_prefix: Final = base + "session:"
        self.sessions: Final = base + "sessions"
        self.guesses_prefix: Final = base + "guesses:"
        self.polls: Final = base + "polls"
        self.poll_prefix: Final = base + "poll:"
        self.fence: Final = base + "fence"
        self.revoked_prefix: Final = base + "revoked:"
        self.unstarted_prefix: Final = base + "unstarted:"
        self.startup_prefix: Final = base + "startup:"
        self.aside: Final = base + "aside"
        self.aside_prefix: Final = base + "aside:"
        self._queue_keys: dict[str, str] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keys) and other.base == self.base

    def __hash__(self) -> int:
        return hash(self.base)

    def __repr__(self) -> str:
        return f"Keys({self.base!r})"

    @property
    def prefix(self) -> str:
        """The application's prefix, without the tag of a cluster; '' for none."""
        before = self.base.partition("{")[0]
        return "" if before == ARQ_BASE else before

    @property
    def are_arqs(self) -> bool:
        """Whether stock arq uses these keys, too."""
        return self.base == ARQ_BASE

    def queue_key(self, queue: str) -> str:
        """
        Return the key of the sorted set of *queue*, which is also arq's `queue_name`.

        A name that starts with `/` is the whole key: `/arq:queue` is the default queue of stock arq.

        Raises:
            ConfigurationError: That key is not one of an application with this prefix.
        """
        key = self._queue_keys.get(queue)
        if key is None:
            key = self._queue_key(queue)
            if len(self._queue_keys) < _KEPT_QUEUE_KEYS:
                self._queue_keys[queue] = key
        return key

    def _queue_key(self, queue: str) -> str:
        if not queue.startswith("/"):
            return self.queue_prefix + own_name(queue).removeprefix(self.queue_prefix)
        if self.base != ARQ_BASE and not queue.startswith(f"/{self.base}"):
            raise ConfigurationError(
                f"the queue {shown(queue)} is a whole key, and lies outside the prefix "
                f"{self.base!r}: name it without the /, or leave the prefix out"
            )
        return queue[1:]

    def queue_of(self, key: str) -> str:
        """Return the queue's name: the inverse of `queue_key`."""
        name = key.removeprefix(self.queue_prefix)
        return name if name != key and self.queue_key(name) == key else f"/{key}"

    def bare(self, key: str) -> str:
        """Return *key* without the base; a key that has another one as it is."""
        return key.removeprefix(self.base)


ARQ: Final = Keys(ARQ_BASE)
"""The keys of an application without a prefix: those of stock arq, and ours beside them."""

BARE: Final = Keys("")
"""Their names, without any application's base."""


def of(client: object) -> Keys:
    """Return the keys of the application that *client* serves; of a plain client, arq's."""
    own: Keys = getattr(client, "own_keys", ARQ)
    return own


def with_prefix(prefix: str, *, slot: str | None = None) -> Keys:
    """
    Return the keys of an application with this prefix; '' for none.

    slot: of a cluster, by a tag in each key: for '' `shop:{shop}:`, and `arq:{arq}:` without a
    prefix; for 'mail' `shop:{shop.mail}:`.

    Raises:
        ConfigurationError: It cannot be one.
    """
    refuse("connect", prefix_problem("prefix", prefix))
    return _of_prefix(prefix, slot)


@functools.lru_cache(maxsize=64)
def _of_prefix(prefix: str, slot: str | None) -> Keys:
    base = prefix or ARQ_BASE
    if slot is not None:
        return Keys(f"{base}{{{base[:-1]}{'.' * bool(slot)}{slot}}}:")
    return ARQ if base == ARQ_BASE else Keys(base)


def prefix_problem(name: str, prefix: object) -> str | None:
    """Return what is wrong with *prefix*, given as *name*; None if nothing is."""
    if prefix == "" or (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
        return None
    if prefix == ARQ_BASE:
        return f"{name} is {ARQ_BASE!r}, with which keys begin without one: leave it out"
    # One colon, at its end: so no prefix begins with another's, and no key has two owners.
    return (
        f"{name} is {shown(prefix)}: give one word of letters, digits, '-', '_' and '.' "
        "and a colon at its end, such as 'shop:'"
    )


def own_name(queue: str) -> str:
    """Return the name of *queue*, which may be written as stock arq's key."""
    return queue.removeprefix(_ARQ_QUEUE)


def whole_queue(queue: str) -> str:
    """Return the name of the queue of which *queue* is a partition; else its own."""
    return _OF_PARTITION.sub("", own_name(queue))


def partitions_among(queues: Iterable[str], name: str) -> list[str]:
    """Return those of *queues* that *name* means: the queue, and its partitions."""
    return [one for one in queues if name in {one, whole_queue(one)}]


def is_same_queue(one: str, other: str) -> bool:
    """Whether both name one queue, however they write it."""
    return ARQ.queue_key(one) == ARQ.queue_key(other)


def queue_problem(name: str, queue: object) -> str | None:
    """Return what is wrong with *queue*, given as *name*, as a queue's name; None if nothing is."""
    if isinstance(queue, str):
        own = own_name(queue)
        if _QUEUE_NAME.fullmatch(own) and own not in _TAKEN_NAMES:
            return None
    taken = ", ".join(sorted(_TAKEN_NAMES))
    return (
        f"{name} is {shown(queue)}, which cannot be a queue's name: use letters, digits, '-', '_' "
        f"and '.', and none of {taken}"
    )
