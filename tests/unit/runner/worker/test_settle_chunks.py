"""What one settlement carries: bounded by number and by bytes, in whatever way jobs end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner import connect
from runner.broker.chunks import MOST_BYTES
from runner.broker.outage import Outage
from runner.codec import Envelope, ErrorRecord
from runner.worker.claim import Claim
from runner.worker.held import Ended, Held
from runner.worker.outcome import Dead, Done, Outcome, Retrying
from runner.worker.settle import Settler

if TYPE_CHECKING:
    from collections.abc import Sequence

_outcomes = st.tuples(
    st.sampled_from(["done", "done of a batch", "retry", "dead"]),
    st.sampled_from([0, 1000, MOST_BYTES // 3, MOST_BYTES + 1]),
)


def _ended(number: int, kind: str, size: int) -> Ended:
    text = "x" * size
    outcome: Outcome = Done(text)
    if kind == "retry":
        outcome = Retrying(0.0, ErrorRecord("E", "", text))
    elif kind == "dead":
        outcome = Dead(ErrorRecord("E", "", text))
    envelope = Envelope("send", [], {}, 0, batch_id="b" if kind == "done of a batch" else None)
    claim = Claim(str(number), str(number).encode(), "w:1", None, 0.0, 0.0, 1)
    return Ended(claim, envelope, outcome, None, 0, 1, Held(claim, 0))


def _sent(args: Sequence[Any]) -> list[int]:
    return [len(one) for one in args if isinstance(one, bytes) and len(one) > 500]


@settings(max_examples=25)
@given(st.lists(_outcomes, min_size=1, max_size=12))
async def test_settlements_are_bounded_and_leave_out_nothing(
    ends: list[tuple[str, int]],
) -> None:
    """Each outcome is sent once; a call is too large only by its last one."""
    client = connect("redis://127.0.0.1:1")
    settler = Settler(client, "arq:queue:mail", outage=Outage("w"))
    left = [_ended(number, kind, size) for number, (kind, size) in enumerate(ends)]
    settled: list[str] = []
    while left:
        args, batch, left = settler._arguments(left)
        assert batch
        settled += [one.claim.job_id for one in batch]
        sizes = _sent(args)
        # What is dead is sent twice, as a result and in its history.
        assert sum(sizes) - sum(sorted(sizes)[-2:]) < MOST_BYTES
    assert sorted(settled, key=int) == [str(number) for number in range(len(ends))]
