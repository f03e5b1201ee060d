"""A service that enqueues during a chaos run, and writes down what Redis acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

from runner import connect
from runner.errors import EnqueueError
from tests.chaos.workload import ODD, carry, flaky, odd, quick, slow

if TYPE_CHECKING:
    import random

    from runner import QueueClient
    from runner.decorator import BoundJob
    from runner.enqueue import Enqueue
    from tests.chaos.ledger import Ledger

_LOAD = "0123456789abcdef" * 65_536
_DIGEST = hashlib.sha256(_LOAD.encode()).hexdigest()


async def produce(
    url: str, ledger: Ledger, dice: random.Random, *, per_s: float, bulk: int
) -> None:
    """Enqueue until cancelled: one of all kinds *per_s* times a second, and *bulk* plain ones."""
    client = connect(url)
    try:
        while True:
            requests = [_draw(dice), *[quick.options().request((), {}) for _ in range(bulk)]]
            await asyncio.gather(*[_enqueue(client, ledger, one) for one in requests])
            await asyncio.sleep(dice.expovariate(per_s))
    finally:
        await client.aclose()


async def _enqueue(client: QueueClient, ledger: Ledger, request: Enqueue) -> None:
    ledger.note("sent", request.job_id, detail=(request.delay_ms or 0) / 1000)
    with contextlib.suppress(EnqueueError):
        await client.enqueuer.put(request)
        ledger.note("acknowledged", request.job_id, detail=request.copies)


def _draw(dice: random.Random) -> Enqueue:
    bound, kwargs = dice.choices(
        (
            (quick, {}),
            (slow, {"seconds": dice.choice([0.05, 0.05, 0.2, 0.2, 1.0, 4.0])}),
            (flaky, {"failures": dice.randint(1, 5)}),
            (odd, {"kind": dice.choice(ODD)}),
            (carry, {"load": _LOAD, "digest": _DIGEST}),
        ),
        (40, 25, 20, 12, 3),
    )[0]
    options: Any = {
        "delay_s": dice.choice([None, None, None, round(dice.uniform(0.1, 3.0), 3)]),
        "copies": dice.choice([0, 0, 1]),
    }
    chosen: BoundJob[..., Any] = bound.options(**options)
    return chosen.request((), kwargs)
