"""What Redis holds of a job that is done, written in the fast way or the slow one."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest
from pydantic_core import from_json

from runner.codec import Envelope, decode_job, encode_job
from runner.errors import CodecError
from runner.worker.claim import Claim
from runner.worker.held import Ended, Held
from runner.worker.outcome import Done
from runner.worker.results import result_beside_body, result_of

QUEUE_KEY = "arq:queue:default"
BODY = encode_job(Envelope("tidy", [1], {"path": 'a "b" \\ é'}, 1_764_028_800_000))
OF_BATCH = encode_job(Envelope("tidy", [], {}, 1_764_028_800_000, batch_id="b1", nonce="n"))
STOCK = json.dumps({"t": 2, "f": "tidy", "a": [], "k": {}, "et": 1_764_028_800_000}).encode()


def ended(body: bytes, result: Any, job_id: str = "j1") -> Ended:
    """Return a job of *body* that is done at its second attempt."""
    claim = Claim(job_id, job_id.encode(), "host:1:ab:7", body, 1_764_028_800_000.25, 0.0, 1, 1)
    return Ended(
        claim=claim,
        envelope=decode_job(body),
        outcome=Done(result),
        keep_result_s=60.0,
        started_ms=1_764_028_800_012,
        finished_ms=1_764_028_800_431,
        held=Held(claim, 1_764_028_800_012),
    )


def expected(one: Ended, result: Any) -> dict[str, Any]:
    """Return arq's fields and ours for a job that is done."""
    envelope, claim = one.envelope, one.claim
    assert envelope is not None
    return {
        "t": 2,
        "f": envelope.name,
        "a": envelope.args,
        "k": envelope.kwargs,
        "et": envelope.enqueued_ms,
        "s": True,
        "r": result,
        "st": one.started_ms,
        "ft": one.finished_ms,
        "q": QUEUE_KEY,
        "id": claim.job_id,
        "w": claim.worker,
        "due": int(claim.due_ms),
    }


@pytest.mark.parametrize("body", [BODY, OF_BATCH, STOCK])
@pytest.mark.parametrize("result", [None, 1.5, [1, "x"], {"s": False, "r": "of the job"}])
@pytest.mark.parametrize("job_id", ["0b0f3cd0a6f44e37", 'odd "id" \\ of é'])
def test_result_has_all_fields(body: bytes, result: Any, job_id: str) -> None:
    """Written around the body or anew: arq's fields and ours, and the other keys of the body."""
    one = ended(body, result, job_id)
    written = from_json(result_of(one, QUEUE_KEY))

    assert written.items() >= expected(one, result).items()
    assert written.keys() - {"b", "n"} == expected(one, result).keys()


def test_result_of_a_foreign_body_is_written_the_slow_way() -> None:
    """Spaces, another order of keys, or an attempt in the body: it is parsed and written again."""
    assert result_beside_body(ended(STOCK, "fine"), QUEUE_KEY, b'"fine"') is None
    assert result_beside_body(ended(BODY, "fine"), QUEUE_KEY, b'"fine"') is not None


def test_result_without_a_json_form_is_refused() -> None:
    """Whoever settles it then buries the job."""
    with pytest.raises(CodecError, match="the result has no JSON form"):
        result_of(ended(BODY, object()), QUEUE_KEY)


def test_result_with_log_lines_has_them() -> None:
    """The lines that an attempt logged are part of its result."""
    one = ended(BODY, None)
    one.held.lines = deque(["a line"])

    assert from_json(result_of(one, QUEUE_KEY))["log"] == ["a line"]
