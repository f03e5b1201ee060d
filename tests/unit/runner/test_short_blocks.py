"""Blocks that are sent as plain tuples, for speed, have the fields that are declared."""

from __future__ import annotations

from runner import connect
from runner.broker.outage import Outage
from runner.broker.scripts.fields import FreshJob, SettleHead, ShortOutcome
from runner.codec import Envelope
from runner.enqueue import Enqueue
from runner.enqueuer import _fields
from runner.worker.claim import Claim
from runner.worker.held import Ended, Held
from runner.worker.outcome import Done
from runner.worker.settle import Settler


def test_job_in_short_is_sent_as_declared() -> None:
    """A field that is added, dropped or moved in `FreshJob` fails here."""
    request = Enqueue(queue="mail", job_id="j1", name="send")

    sent = FreshJob(*_fields(request))

    assert (sent.id, sent.body) == ("j1", request.body())


async def test_outcome_in_short_is_sent_as_declared() -> None:
    """A field that is added, dropped or moved in `ShortOutcome` fails here."""
    client = connect("redis://127.0.0.1:1")
    claim = Claim("j1", b"j1", "w:1", None, 0.0, 0.0, 1)
    ended = Ended(claim, Envelope("send", [], {}, 0), Done("fine"), None, 0, 1, Held(claim, 0))

    arguments, _, _ = Settler(client, "arq:queue:mail", outage=Outage("w"))._arguments([ended])

    values = arguments[len(SettleHead._fields) :]
    sent = dict(zip(ShortOutcome._fields, values, strict=True))
    assert (sent["id"], sent["token"]) == (b"j1", "w:1")
    assert b'"r":"fine"' in sent["result"]
    await client.aclose()
