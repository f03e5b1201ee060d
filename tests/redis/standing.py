"""A Redis in which every key of the runner stands, as workers, clients and operators wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import httpx

from runner import Batch, Bury, Context, Periodic, connect, job, linear
from runner.broker import keys
from runner.broker.scripts import SET_ASIDE
from runner.current import use
from runner.enqueue import Enqueue
from runner.operations.actions import Operator, Request
from runner.operations.bulk import Bulk, Selection
from runner.operations.search import Filter
from runner.operations.verbs import Action
from runner.web.login import LoginSettings
from tests.hostile import PATTERNS, QUEUE
from tests.runner_kit import beat_now, eventually, mortal, poll_now, stage
from tests.visit import USERS, log_in, visiting

if TYPE_CHECKING:
    from redis.asyncio import Redis

QUEUE_KEY = keys.ARQ.queue_key(QUEUE)


@job(queue=QUEUE)
async def work(_: Context, number: int) -> int:
    """Return the number."""
    return number


@job(queue=QUEUE)
async def hold(_: Context) -> None:
    """Wait."""
    await stage.hold()


@job(queue=QUEUE, max_retries=5, backoff=linear(3600))
async def fail(_: Context) -> None:
    """Fail."""
    raise ValueError("no")


@job(queue=QUEUE)
async def doomed(_: Context) -> None:
    """Fail for good."""
    raise Bury("no")


JOBS = (work, hold, fail, doomed)
SCHEDULE = (Periodic("nightly", work, "0 3 * * *", {"number": 1}),)
LOGIN = LoginSettings(users=USERS)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What DUMP gives of each key; jobs: their ids. cookie: of a session."""

    dumps: dict[bytes, bytes]
    jobs: tuple[str, ...]
    bulk_id: str
    batch_id: str
    worker_id: str
    cookie: str

    async def restore(self, redis: Redis) -> None:
        """Let Redis hold that and nothing else; nothing of it expires."""
        await redis.flushdb()
        async with redis.pipeline(transaction=False) as pipe:
            for key, dump in self.dumps.items():
                pipe.restore(key, 0, dump)
            await pipe.execute()

    def keys_of(self, pattern: str) -> list[bytes]:
        """The keys of *pattern*, those of a longer one left out."""
        return [
            key
            for key in self.dumps
            if fnmatchcase(name := key.decode("latin-1"), pattern)
            and max((one for one in PATTERNS if fnmatchcase(name, one)), key=len) == pattern
        ]


async def record(url: str, prefix: str = "") -> Snapshot:
    """Let everything happen once in the Redis of *url*, to an application with this prefix."""
    redis: Any = connect(url, prefix=prefix)
    own = keys.of(redis)
    queue_key = own.queue_key(QUEUE)
    use(redis)
    batch = Batch("nightly", complete=work.call(number=4))
    operator = Operator(redis, "ada")
    options: dict[str, Any] = {"release": "v1", "poll_interval_s": 3600.0, "schedule": SCHEDULE}
    async with mortal(url, *JOBS, prefix=prefix, **options) as lost:
        one = lost.worker
        await (await work.enqueue(number=1)).result(timeout_s=20)
        async with batch:
            await doomed.options(job_id="dead").enqueue()
            later = await work.options(delay_s=3600).enqueue(number=2)
        retrying = await fail.enqueue()
        held = await hold.enqueue()
        await stage.started.next()
        await redis.enqueuer.put(Enqueue(QUEUE, "parked", "stranger"))
        await eventually(lambda: redis.zcard(queue_key + keys.PARKED_SUFFIX))
        await eventually(lambda: redis.zcard(queue_key + keys.RETRYING_SUFFIX))
        await eventually(lambda: redis.zcard(queue_key + keys.DEAD_SUFFIX))
        await beat_now(one)
        await poll_now(one)
        ready = await work.enqueue(number=3)
        brief = (own.worker_prefix + one.id, own.in_progress_prefix + held.id)
        values = await redis.mget(brief)
        await lost.kill()
    await operator.pause("other")
    await operator.resume("other")
    bulk = Bulk(redis, operator, Request(Action.RUN), Selection(QUEUE, "ready", Filter()))  # type: ignore[arg-type]
    await bulk.announce(3)
    cookie = await _logged_in(redis)
    await _rest(redis, one.id, held.id)
    await redis.mset(dict(zip(brief, values, strict=True)))
    dumps = {key: await redis.dump(key) for key in await redis.keys(own.base + "*")}
    await redis.aclose()
    shown = [handle.id for handle in (retrying, later, held, ready)]
    of_dead = own.history_prefix.encode() + b"dead"
    dead_id = next(key for key in dumps if key.startswith(of_dead)).decode()
    jobs = (*shown, "parked", dead_id.removeprefix(own.history_prefix))
    return Snapshot(dumps, jobs, bulk.id, batch.id, one.id, cookie)


async def _logged_in(redis: Redis) -> str:
    async with visiting(redis, LOGIN) as browser:
        await log_in(browser, password="wrong")  # noqa: S106
        answer = await log_in(browser)
        assert answer.status_code == httpx.codes.SEE_OTHER
        return answer.headers["set-cookie"].partition(";")[0]


async def _rest(redis: Any, worker_id: str, held_id: str) -> None:
    """Write what only stands there for a moment."""
    own = keys.of(redis)
    queue_key = own.queue_key(QUEUE)
    at = (await redis.time())[0] * 1000
    await redis.zadd(own.abort, {"gone": at})
    await redis.hset(queue_key + keys.LATE_SUFFIX, worker_id, f"{at}|{at}")
    await redis.zadd(queue_key + keys.SUSPECTS_SUFFIX, {"suspect": at})
    await redis.set(own.job_prefix + "suspect", '{"t":null,"f":"work","a":[],"k":{},"et":1}')
    await redis.hset(queue_key + keys.CRASHES_SUFFIX, "suspect", f"{at}=w:1")
    await redis.set(queue_key + keys.VOLUNTEER_SUFFIX, worker_id)
    await redis.set(queue_key + keys.PAUSED_SUFFIX, f'{{"by":"ada","at_ms":{at}}}')
    await redis.hset(own.schedule_paused, f"{QUEUE}|nightly", f'{{"by":"ada","at_ms":{at}}}')
    await redis.rpush(queue_key + keys.WAKE_SUFFIX, "1")
    await redis.set(own.order_prefix + worker_id, "quiet")
    await redis.set(f"{own.startup_prefix}{QUEUE}|cron", worker_id)
    await redis.set(own.revoked_prefix + "t", "1")
    await redis.sadd(own.unstarted_prefix + "t", held_id)
    await redis.set(own.poll_prefix + "g", at)
    flow = own.batch_prefix + "flow"
    await redis.hset(f"{flow}:nodes", "1", "wait\n2\n\ndefault\nwork")
    await redis.hset(f"{flow}:state", mapping={"1": "done", "2": "started"})
    await redis.hset(f"{flow}:letters", "2", f"{queue_key}\n{{\n}}\ndefault\n\n")
    await redis.hset(f"{flow}:results", "1", "7")
    await redis.zadd(f"{flow}:ready", {"2": 2})
    unique = own.unique_prefix + "0123"
    await redis.zadd(queue_key + keys.WAITING_SUFFIX, {"behind": at})
    await redis.set(own.job_prefix + "behind", '{"t":null,"f":"work","a":[],"k":{},"et":1}')
    entries = {"suspect": f"0123||0|{at}", "behind": f"0123||0|{at}"}
    await redis.hset(queue_key + keys.UNIQUE_SUFFIX, mapping=entries)
    held = {"job": "suspect", "at": queue_key, "next": "behind", "next_at": queue_key}
    await redis.hset(unique, mapping=held)
    await redis.hset(queue_key + keys.LANED_SUFFIX, "suspect", "1|work:1")
    await redis.hset(queue_key + keys.LANES_SUFFIX, "work:1", "1|2")
    await redis.zadd(queue_key + keys.LANE_SUFFIX + "work:1", {"suspect": at - keys.FAR_MS})
    await redis.zadd(queue_key + keys.UNSEATED_SUFFIX, {"suspect": at})
    await redis.hset(queue_key + keys.PACED_SUFFIX, "work:1", f"{at}|0|0")
    await redis.hset(queue_key + keys.DROPPED_SUFFIX, "gone", "suspect")
    paused = '{"by":"operator","at_ms":1}'
    await redis.hset(queue_key + keys.PAUSED_JOBS_SUFFIX, "other", paused)
    await redis.hset(queue_key + keys.AHEAD_SUFFIX, "suspect", f"600000|{at}")
    await redis.zadd(queue_key + keys.LATER_SUFFIX, {"suspect": at})
    await redis.hset("odd", "a", "b")
    await redis.eval(SET_ASIDE, 3, own.aside, own.base, "odd", "string")
