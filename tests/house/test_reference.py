"""The reference of keys, envelopes and metrics matches the code."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runner import codec
from runner.broker import keys
from runner.errors import JobFailedError
from runner.middleware import metrics
from runner.operations import processes
from runner.periodic.gauges import QueueGauges
from runner.telemetry.statsd import NullStatsD
from runner.worker import heartbeat, results

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[2] / "docs"
ENVELOPES = (DOCS / "reference-envelope.md").read_text(encoding="utf-8")
_EXAMPLE = re.compile(r"^```json (\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_key_constant_is_in_the_table_of_keys() -> None:
    """Each key that `keys.py` names has a row: type, contents, life."""
    rows = re.findall(r"^\| `(arq:[^`]+)` \|", keys.__doc__ or "", re.MULTILINE)
    named = {
        name: value
        for name, value in vars(keys.ARQ).items()
        if isinstance(value, str) and name != "base"
    }

    assert named
    for suffix in keys.SUFFIXES:
        assert f"{keys.ARQ.queue_prefix}<queue>{suffix}" in rows, suffix
    for name, value in named.items():
        if name.endswith("_prefix"):
            assert any(row.startswith(f"{value}<") for row in rows), name
        else:
            assert any(row == value for row in rows), name
    starts = tuple(named.values())
    assert [row for row in rows if not row.startswith(starts)] == []


@pytest.mark.parametrize(
    "example", [text for kind, text in _EXAMPLE.findall(ENVELOPES) if kind == "job"]
)
def test_example_of_a_body_is_read_whole(example: str) -> None:
    """A job in the page's form is read with all of its fields."""
    envelope = codec.decode_job(example.encode())
    envelope.nonce = json.loads(example).get("n")  # no reader needs it

    assert json.loads(codec.encode_job(envelope)) == json.loads(example)


def test_examples_of_results_are_read_as_success_and_failure() -> None:
    """A client reads all examples; the failed one is the error."""
    done, cut, failed = (codec.loads(text.encode()) for text in _examples("result"))

    assert done["s"] is cut["s"] is True
    assert isinstance(failed["r"], JobFailedError)


def test_example_of_a_worker_is_read_whole() -> None:
    """The pages read the example as a worker, with its running jobs and their progress."""
    (example,) = _examples("worker")

    _, view = processes._heartbeat("default", b"w", b"arq:worker:w", example.encode())

    assert view.unreadable == ""
    assert view.slots == 5
    assert view.running[0].progress is not None
    assert view.running[0].progress.total == 10


@pytest.mark.parametrize(
    ("kind", "writers"),
    [
        ("job", (codec.body_of,)),
        ("result", (results.result_fields, results.too_large)),
        ("history", (results.history_entry,)),
        ("worker", (heartbeat.Heartbeat._describe,)),
    ],
)
def test_examples_have_every_key_that_is_written(
    kind: str, writers: tuple[Callable[..., Any], ...]
) -> None:
    """A key that the code adds or drops fails here until the examples follow."""
    written = {
        first or second
        for writer in writers
        for first, second in re.findall(
            r'^\s+"(\w+)":|^\s+\w+\["(\w+)"\] =', inspect.getsource(writer), re.MULTILINE
        )
    }
    if kind == "result":
        written.add("r")  # put beside the others as the JSON that it is already
    shown: set[str] = set()
    for example in _examples(kind):
        shown |= set(json.loads(example))

    assert shown == written


class _Names(NullStatsD):
    """Keeps the names only."""

    def __init__(self) -> None:
        self.sent: set[str] = set()

    def timing(self, name: str, duration_ms: float, /) -> None:  # noqa: ARG002 -- only names count
        """Keep it."""
        self.sent.add(name)

    def increment(self, name: str, count: int = 1, /) -> None:  # noqa: ARG002 -- only names count
        """Keep it."""
        self.sent.add(name)

    def gauge(self, name: str, value: float, /) -> None:  # noqa: ARG002 -- only names count
        """Keep it."""
        self.sent.add(name)


def test_metrics_page_has_every_statsd_name() -> None:
    """Exactly the names that workers and the poller send."""
    page = (DOCS / "reference-metrics.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `((?:worker|queue)\.[^`]+)`", page, re.MULTILINE))
    sent = _Names()
    QueueGauges("<queue>", 0, 0, 0, 0, 0, 0, 0, 0, 0.0, paused=False).send(sent)
    of_a_job = metrics._Names.of("Q", "J")
    totals = {metrics.EXECUTION, metrics.SUCCESS, metrics.FAILURE}
    each = {
        name.replace(".Q.J", ".<queue>.<job>")
        for name in (of_a_job.execution, of_a_job.success, of_a_job.failure)
    }

    assert listed == sent.sent | totals | each


def _examples(kind: str) -> list[str]:
    return [text for found, text in _EXAMPLE.findall(ENVELOPES) if found == kind]
