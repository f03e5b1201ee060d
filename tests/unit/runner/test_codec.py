"""Jobs and results ↔ bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner import codec
from runner.codec import Envelope, ErrorRecord, decode, decode_job, encode, encode_job, loads
from runner.errors import CodecError, JobFailedError
from tests.odd_values import ERRORS, WITHOUT_JSON, Unwritable

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
    max_leaves=10,
)
_TIMES_MS = st.integers(0, 253_402_300_799_000)
_ENVELOPES = st.builds(
    Envelope,
    name=_TEXT,
    args=st.lists(_JSON),
    kwargs=st.dictionaries(_TEXT, _JSON),
    enqueued_ms=_TIMES_MS,
    attempt=st.none() | st.integers(1, 1000),
    batch_id=st.none() | _TEXT,
    trace=st.none() | _TEXT,
)
_JOB: dict[str, Any] = {"t": None, "f": "tidy", "a": [], "k": {}, "et": 0}


@given(_ENVELOPES)
def test_job_comes_back_from_its_bytes_as_it_went(envelope: Envelope) -> None:
    """A body keeps all of a job that JSON can express."""
    assert decode_job(encode_job(envelope)) == envelope


def test_job_has_arqs_keys_and_ours_only_when_they_are_set() -> None:
    """A body is plain JSON with arq's five keys; batch and trace only if set."""
    plain = encode_job(Envelope("tidy", [1], {"x": None}, 5))
    full = encode_job(Envelope("tidy", [1], {"x": None}, 5, 2, "b1", "00-aa-bb-01"))

    assert json.loads(plain) == {"t": None, "f": "tidy", "a": [1], "k": {"x": None}, "et": 5}
    assert json.loads(full) == {
        **json.loads(plain),
        "t": 2,
        "b": "b1",
        "tp": "00-aa-bb-01",
    }


@given(st.binary())
@example(b"")
@example(b"null")
@example(b"[]")
@example(b'{"f":1}')
@example(b"[" * 100_000)
@example(b'{"t":null,"f":"\\ud800","a":[],"k":{},"et":0}')
@example(b'\xff{"f":"x"}')
@example(b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00}")
def test_job_from_any_bytes_is_a_job_or_a_codec_error(body: bytes) -> None:
    """No bytes in Redis make a worker raise anything but CodecError, and none are executed."""
    try:
        envelope = decode_job(body)
    except CodecError:
        return
    assert isinstance(envelope, Envelope)


@given(_JSON)
def test_job_from_any_json_is_a_job_or_a_codec_error(value: Any) -> None:
    """JSON that is not a job is recognized."""
    body = json.dumps(value).encode()
    try:
        envelope = decode_job(body)
    except CodecError:
        return
    assert {"f", "a", "k", "et"} <= json.loads(body).keys()
    assert isinstance(envelope, Envelope)


@given(field=st.sampled_from(["t", "f", "a", "k", "et", "b", "tp"]), value=_JSON)
@example("et", 10**30)
@example("et", -(10**15))
@example("et", 253_402_300_800_000)
@example("et", 0.5)
@example("t", -(10**40))
@example("t", 10**40)
@example("f", None)
def test_job_with_one_odd_field_can_be_made_a_context_of_or_is_refused(
    field: str, value: Any
) -> None:
    """An accepted body has a time and an attempt number that a worker can use."""
    try:
        envelope = decode_job(json.dumps({**_JOB, field: value}).encode())
    except CodecError:
        return
    datetime.fromtimestamp(envelope.enqueued_ms / 1000, UTC)
    assert isinstance(envelope.name, str)
    assert isinstance(envelope.args, list)
    assert isinstance(envelope.kwargs, dict)


@pytest.mark.parametrize("kind", WITHOUT_JSON)
def test_job_with_an_argument_that_json_cannot_carry_is_refused(kind: str) -> None:
    """It fails at the caller, with the job's name."""
    with pytest.raises(CodecError, match="tidy: an argument has no JSON form") as raised:
        encode_job(Envelope("tidy", [WITHOUT_JSON[kind]()], {}, 0))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("body", [b"NaN", b"[Infinity]", b'{"f": -Infinity}'])
def test_job_from_json_with_nan_is_refused(body: bytes) -> None:
    """NaN and Infinity do not come in either."""
    with pytest.raises(CodecError, match="not JSON"):
        decode(body)


@given(_JSON)
def test_value_that_encode_takes_comes_back(value: Any) -> None:
    """What was written can be read, and is equal."""
    assert decode(encode(value)) == value


@pytest.mark.parametrize("kind", WITHOUT_JSON)
def test_value_to_show_is_written_whatever_it_is(kind: str) -> None:
    """For people to look at, anything becomes JSON."""
    decode(codec.encode_shown(WITHOUT_JSON[kind]()))
    decode(codec.encode_shown({"note": "fine", "odd": [WITHOUT_JSON[kind](), Unwritable()]}))


@pytest.mark.parametrize("value", [None, 1, "x", {"done": 1.5, "note": None}, [True]])
def test_value_to_show_is_written_as_it_is(value: Any) -> None:
    """Plain JSON values stay."""
    assert decode(codec.encode_shown(value)) == value


def test_result_that_json_cannot_carry_is_refused() -> None:
    """Only a return value with a JSON form can be kept."""
    with pytest.raises(CodecError, match="the result has no JSON form"):
        encode({"r": object()}, "the result")


def test_error_as_data_carries_type_message_and_traceback() -> None:
    """An exception travels as text: no class is needed to read it, and none is imported."""
    with pytest.raises(CodecError) as raised:
        raise CodecError("broken") from ValueError("the cause")
    record = ErrorRecord.of(raised.value)

    assert (record.error, record.message) == ("runner.errors.CodecError", "broken")
    assert "ValueError: the cause" in record.traceback
    assert "test_error_as_data" in record.traceback
    assert ErrorRecord.of(KeyError("x")).error == "KeyError"


def test_error_as_data_never_fails_itself() -> None:
    """A broken `__str__`, lone surrogates and endless messages become short text."""

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    broken = ErrorRecord.of(BrokenError())
    odd = ErrorRecord.of(ValueError("\ud800" + "x" * 1_000_000))

    assert broken.message == "(its message could not be formatted: ZeroDivisionError)"
    assert odd.message.startswith("\\ud800xxx")
    assert len(odd.message) <= 10_000
    assert len(odd.traceback) <= 50_000
    encode({"r": odd})


@pytest.mark.parametrize("kind", ERRORS)
def test_error_as_data_can_be_made_of_any_exception(kind: str) -> None:
    """Broken notes, texts, classes, groups and circles of causes: a record that can be encoded."""
    record = ErrorRecord.of(ERRORS[kind]())

    assert decode(encode(record))["error"] == record.error
    assert len(record.traceback) <= 50_000


@given(_JSON)
def test_serializers_for_stock_arq_keep_any_json(value: Any) -> None:
    """A stock arq client can use `dumps` and `loads`: what one writes, the other reads."""
    assert codec.loads(codec.dumps({"r": value, "s": True})) == {"r": value, "s": True}


def test_serializers_for_stock_arq_carry_exceptions_as_data() -> None:
    """A failed result is read by a stock arq client as a JobFailedError, which it raises."""
    fields = codec.loads(codec.dumps({"id": "j1", "s": False, "r": ZeroDivisionError("by zero")}))

    error = fields["r"]
    assert isinstance(error, JobFailedError)
    assert (error.job_id, error.error_type, error.message) == ("j1", "ZeroDivisionError", "by zero")


def test_serializers_for_stock_arq_refuse_what_json_cannot_carry() -> None:
    """Nothing falls back to pickle."""
    with pytest.raises(ValueError, match="object has no JSON form"):
        codec.dumps({"a": object()})


@pytest.mark.parametrize("data", [b"2", b"null", b"[]", b'"x"', b"true"])
def test_loads_refuses_what_is_no_object(data: bytes) -> None:
    """Found by fuzzing: JSON that is neither a job nor a result."""
    with pytest.raises(CodecError, match="not a JSON object"):
        loads(data)
