"""What Redis holds of a job that is done, written in the fast way or the slow one."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest
from pydantic_core import from_json

from runner.codec import Envelope, decode_job, encode_job
from runner.worker.claim import Claim
from runner.worker.held import Ended, Held
from runner.worker.outcome import Done
from runner.worker.results import result_beside_body, result_fields, result_of

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


@pytest.mark.parametrize("body", [BODY, OF_BATCH])
@pytest.mark.parametrize("result", [None, 1.5, [1, "x"], {"s": False, "r": "of the job"}])
@pytest.mark.parametrize("job_id", ["0b0f3cd0a6f44e37", 'odd "id" \\ of é'])
def test_result_around_a_body_has_the_same_fields(body: bytes, result: Any, job_id: str) -> None:
    """All fields of the slow way, and the other keys of the body."""
    one = ended(body, result, job_id)
    short = result_beside_body(one, "default", result)

    assert short is not None
    written = from_json(short)
    assert written.items() >= result_fields(one, "default", result, success=True).items()
    assert written.keys() - {"b", "n"} == result_fields(one, "default", result, success=True).keys()


def test_result_of_a_foreign_body_is_written_the_slow_way() -> None:
    """Spaces, another order of keys, or an attempt in the body: it is parsed and written again."""
    one = ended(STOCK, "fine")

    assert result_beside_body(one, "default", "fine") is None
    assert from_json(result_of(one, "default")) == result_fields(
        one, "default", "fine", success=True
    )


def test_result_without_a_json_form_is_an_error() -> None:
    """The job is done; its return value cannot be kept, and the result says so."""
    written = from_json(result_of(ended(BODY, object()), "default"))

    assert written["s"] is False
    assert written["r"]["error"] == "CodecError"


def test_result_with_log_lines_has_them() -> None:
    """The lines that an attempt logged are part of its result."""
    one = ended(BODY, None)
    one.held.lines = deque(["a line"])

    assert from_json(result_of(one, "default"))["log"] == ["a line"]
