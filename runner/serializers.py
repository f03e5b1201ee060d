"""
Workers and clients with a serializer of their own: `job_serializer` and `job_deserializer`.

Ours is JSON, and needs none of this. If you come from arq with jobs in a queue, keep the serializer
that wrote them, even `pickle.dumps` and `pickle.loads`, by naming it as in arq. Nothing is
unpickled unless you name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from arq.jobs import SerializationError

from runner import checks, codec
from runner.codec import Envelope, decode_job
from runner.enqueue import Enqueue
from runner.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from arq.jobs import Deserializer, Serializer


MakeRequest = type[Enqueue] | partial["SerializedEnqueue"]
"""Returns an `Enqueue` made from its fields."""


@dataclass(slots=True)
class SerializedEnqueue(Enqueue):
    """An `Enqueue` whose body *serializer* writes."""

    serializer: Serializer = codec.dumps

    def body(self) -> bytes:
        """
        Return the body: arq's keys, and those of ours that are set.

        Raises:
            SerializationError: The serializer refuses the arguments; arq's own error.
        """
        fields = {
            "t": self.attempt,
            "f": self.name,
            "a": tuple(self.args),
            "k": dict(self.kwargs),
            "et": self.enqueued_ms,
        }
        ours = {"b": self.batch_id, "tp": self.trace, "n": self.nonce}
        fields |= {key: value for key, value in ours.items() if value is not None}
        try:
            return self.serializer(fields)
        except Exception as error:
            raise SerializationError(f'unable to serialize job "{self.name}"') from error


def request_maker(serializer: Serializer | None) -> MakeRequest:
    """Return what makes requests for clients and workers with *serializer*; None is ours."""
    if serializer is None or serializer is codec.dumps:
        return Enqueue
    return partial(SerializedEnqueue, serializer=serializer)


def body_reader(deserializer: Deserializer | None) -> Callable[[bytes], Envelope]:
    """
    Return what reads bodies for workers with *deserializer*; None is ours.

    A body that it cannot read may come from a service that uses `@job`, and be JSON.
    """
    if deserializer is None or deserializer is codec.loads:
        return decode_job

    def read(body: bytes) -> Envelope:
        try:
            return _envelope(deserializer(body))
        except Exception as error:  # noqa: BLE001 -- the user's own code
            problem = error
        try:
            return decode_job(body)
        except CodecError:
            raise CodecError(f"unable to deserialize job: {problem}") from problem

    return read


def _envelope(fields: dict[str, Any]) -> Envelope:
    name, enqueued_ms, attempt = fields["f"], fields["et"], fields["t"]
    if (
        type(name) is not str
        or not isinstance(fields["a"], list | tuple)
        or type(enqueued_ms) is not int
        or not 0 <= enqueued_ms <= checks.LATEST_MS
        or not (attempt is None or type(attempt) is int)
    ):
        raise TypeError("a field has the wrong type")
    return Envelope(
        name=name,
        args=list(fields["a"]),
        kwargs=dict(fields["k"]),
        enqueued_ms=enqueued_ms,
        attempt=attempt,
        batch_id=fields.get("b"),
        trace=fields.get("tp"),
    )
