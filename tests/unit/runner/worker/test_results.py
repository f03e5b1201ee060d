"""What stands in Redis of a job that is done, written by the short way or the long one."""

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
    """A job of *body* that is done at its second attempt."""
    claim = Claim(job_id, job_id.encode(), "host:1:ab:7", body, 1_764_028_800_000.25, 1)
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
def test_result_around_a_body_tells_the_same(body: bytes, result: Any, job_id: str) -> None:
    """All that the long way tells, and what else the body has."""
    one = ended(body, result, job_id)
    short = result_beside_body(one, "default", result)

    assert short is not None
    told = from_json(short)
    assert told.items() >= result_fields(one, "default", result, success=True).items()
    assert told.keys() - {"b", "n"} == result_fields(one, "default", result, success=True).keys()


def test_result_of_a_body_of_another_make_goes_the_long_way() -> None:
    """Spaces, other orders of keys, an attempt in the body: it is read and written anew."""
    one = ended(STOCK, "fine")

    assert result_beside_body(one, "default", "fine") is None
    assert from_json(result_of(one, "default")) == result_fields(
        one, "default", "fine", success=True
    )


def test_result_without_a_json_form_is_told_as_an_error() -> None:
    """The job was done; what it returned cannot be kept, and the result says so."""
    told = from_json(result_of(ended(BODY, object()), "default"))

    assert told["s"] is False
    assert told["r"]["error"] == "CodecError"


def test_result_with_log_lines_has_them() -> None:
    """What an attempt logged is part of its result."""
    one = ended(BODY, None)
    one.held.lines = deque(["a line"])

    assert from_json(result_of(one, "default"))["log"] == ["a line"]
