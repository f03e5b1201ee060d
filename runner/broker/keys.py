"""
Every Redis key, what it holds and how long it lives.

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
| `arq:queue:<queue>:died` | hash | id that its caller chose → `<id>~<ms>`, the id of the job that died under it last | until the id is used again, or that job is retried or deleted |
| `arq:queue:<queue>:paused` | string | who paused the queue, and when | until resumed |
| `arq:queue:<queue>:wake` | list | tokens that idle workers block on, capped | until the queue is drained |
| `arq:queue:<queue>:workers` | sorted set | worker ids by last heartbeat, Unix ms | trimmed by the poller |
| `arq:worker:<id>` | string | what the worker is and does, JSON | three heartbeats |
| `arq:history:<id>` | list | one JSON object for each failed attempt | with the job, then as long as its result is kept |
| `arq:queues` | sorted set | queues by when one of their workers last announced them, Unix ms | while workers or jobs are there, and a day longer |
| `arq:batch:<id>` | hash | `<queue>|<state>` → number of jobs | 30 days after its last change |
| `arq:batch:<id>:dead` | set | `<queue>|<id>` of the batch's dead jobs | as the batch |
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
"""

from __future__ import annotations

import functools
import re

from runner.checks import shown

QUEUE_PREFIX = "arq:queue:"
JOB_PREFIX = "arq:job:"
IN_PROGRESS_PREFIX = "arq:in-progress:"
RESULT_PREFIX = "arq:result:"
RETRY_PREFIX = "arq:retry:"
ABORT = "arq:abort"

HISTORY_PREFIX = "arq:history:"
BATCH_PREFIX = "arq:batch:"
WORKER_PREFIX = "arq:worker:"
QUEUES = "arq:queues"
TICKS = "arq:ticks"
METRICS = "arq:metrics"
METRICS_TOTAL = "arq:metrics:total"
METRICS_GUARD_PREFIX = "arq:metrics-guard:"
RELEASES = "arq:releases"
DEPTH_PREFIX = "arq:depth:"
MEMORY = "arq:memory"
ORDER_PREFIX = "arq:order:"
SCHEDULE_PAUSED = "arq:schedule-paused"
BULK_PREFIX = "arq:bulk:"
AUDIT = "arq:audit"
SESSION_PREFIX = "arq:session:"
SESSIONS = "arq:sessions"
GUESSES_PREFIX = "arq:guesses:"
POLLS = "arq:polls"
POLL_PREFIX = "arq:poll:"
FENCE = "arq:fence"
REVOKED_PREFIX = "arq:revoked:"
UNSTARTED_PREFIX = "arq:unstarted:"
STARTUP_PREFIX = "arq:startup:"

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
DEAD_SUFFIX = ":dead"
DIED_SUFFIX = ":died"
PAUSED_SUFFIX = ":paused"
WAKE_SUFFIX = ":wake"
WORKERS_SUFFIX = ":workers"
HEALTH_SUFFIX = ":health-check"
PLACES = ("", SUSPECTS_SUFFIX, PARKED_SUFFIX, DEAD_SUFFIX)
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
    DEAD_SUFFIX,
    DIED_SUFFIX,
    PAUSED_SUFFIX,
    WAKE_SUFFIX,
    WORKERS_SUFFIX,
)

_QUEUE_NAME = re.compile(r"/[^\ud800-\udfff]{1,500}|[A-Za-z0-9._-]{1,500}")  # `/…` is a whole key
_TAKEN_NAMES = frozenset(suffix[1:] for suffix in (*SUFFIXES, HEALTH_SUFFIX))
"""As queues these would share keys with arq's own queue, `arq:queue`."""

BATCH_TTL_S = 30 * 86_400
WAKE_TOKENS = 64
"""How many tokens a wake list holds at most."""


@functools.lru_cache(maxsize=1024)
def queue_key(queue: str) -> str:
    """
    Return the key of the sorted set of *queue*, which is also arq's `queue_name`.

    A name that starts with `/` is the whole key: `/arq:queue` is the default queue of stock arq.
    """
    if queue.startswith("/"):
        return queue[1:]
    return queue if queue.startswith(QUEUE_PREFIX) else QUEUE_PREFIX + queue


def queue_problem(name: str, queue: object) -> str | None:
    """Return what is wrong with *queue*, given as *name*, as a queue's name; None if nothing is."""
    if isinstance(queue, str):
        own = queue.removeprefix(QUEUE_PREFIX)
        if _QUEUE_NAME.fullmatch(own) and own not in _TAKEN_NAMES:
            return None
    taken = ", ".join(sorted(_TAKEN_NAMES))
    return (
        f"{name} is {shown(queue)}, which cannot be a queue's name: use letters, digits, '-', '_' "
        f"and '.', and none of {taken}"
    )


def queue_of(key: str) -> str:
    """Return the queue's name: the inverse of `queue_key`."""
    name = key.removeprefix(QUEUE_PREFIX)
    return name if queue_key(name) == key else f"/{key}"
