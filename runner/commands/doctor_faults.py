"""`pipeline doctor`: what stands in Redis and is none of ours, and `--repair`, which mends it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from runner.broker import keys
from runner.broker.reading import Unreadable, answers, shown_id
from runner.broker.redis_clock import redis_now
from runner.commands.doctor_redis import Concern
from runner.operations.faults import MOST_FAULTS, Inspector
from runner.operations.findings import REPAIR
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from runner.operations.faults import Fault
    from runner.operations.session import OperatorSession

_KEYS_LOOKED_AT = 20_000
_LOOKED_FOR_S = 0.2
_SHOWN = 20
_NEW_MS = 86_400_000
_NAME = "keys"


async def fault_concerns(session: OperatorSession, *, repair: bool) -> AsyncIterator[Concern]:
    """
    Look at the keys of the queues, and at as many others as a moment allows; repair: at all.

    Raises:
        RedisError: Redis is away, or refuses a request.
    """
    inspector = Inspector(
        session.redis,
        session.queues,
        most=10**12 if repair else _KEYS_LOOKED_AT,
        for_s=math.inf if repair else _LOOKED_FOR_S,
        by=session.operator.who,
    )
    faults = await inspector.faults()
    looked_at = counted(inspector.looked_at, "key") + " looked at"
    if not inspector.is_complete:
        looked_at += ", of more"
    if not faults:
        yield Concern(_NAME, f"all hold what they should; {looked_at}")
    for one in faults if repair else faults[:_SHOWN]:
        yield await _repaired(session, one) if repair else _concern(one)
    if not repair and len(faults) > _SHOWN:
        yield Concern(_NAME, f"{counted(len(faults) - _SHOWN, 'more fault')}; {looked_at}", REPAIR)
    if repair and len(faults) >= MOST_FAULTS:
        yield Concern(_NAME, "there may be more faults", f"Run it again: {REPAIR}")


def _concern(fault: Fault) -> Concern:
    if fault.mend is None:
        return Concern(_NAME, str(fault), f"It is left as it is: {fault.does}.")
    return Concern(_NAME, str(fault), f"`{REPAIR}` will {fault.does}.")


async def _repaired(session: OperatorSession, fault: Fault) -> Concern:
    if fault.mend is None:
        return _concern(fault)
    try:
        await fault.mend()
    except RedisError as error:
        return Concern(_NAME, f"{fault}: cannot {fault.does}: {error}", "See Redis's log.")
    await session.operator.record("repair", fault.key, detail=fault.why, outcome=fault.does)
    return Concern(_NAME, f"{fault}; done: {fault.does}")


async def aside_concern(redis: Redis) -> Concern | None:
    """Return how many keys were set aside; that is a warning for a day."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zcard(keys.of(redis).aside)
        pipe.zrange(keys.of(redis).aside, 0, 0, desc=True, withscores=True)
        count, last = await answers(pipe)
    if isinstance(count, Unreadable) or isinstance(last, Unreadable) or not last:
        return None
    [(name, at_ms)] = last
    was = "was" if count == 1 else "were"
    text = f"{counted(count, 'key')} held what is not ours, and {was} set aside: {shown_id(name)}"
    if count > 1:
        text += f" and {count - 1:,} before it"
    now_ms = (await redis_now(redis)).timestamp() * 1000
    if at_ms < now_ms - _NEW_MS:
        return Concern("set aside", text)
    return Concern(
        "set aside", text, "Find out who else writes to this Redis; docs/reliability.md."
    )
