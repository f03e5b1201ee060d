"""What the history of a run says: each job's claims and outcomes, and where it breaks the rules."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from runner.broker.scripts.fields import ClaimHead
from runner.worker.claim import SUSPECT
from tests.chaos.ledger import Event
from tests.chaos.recorded import PROMOTED, calls, read_lines
from tests.chaos.recovery import ALONE
from tests.chaos.workload import MAX_CRASHES
from tests.job_history import JobHistory, claimed_in, enqueued_in, settled_in, worker_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chaos.recorded import Call, Lines

_MODE = ClaimHead._fields.index("mode")
_MOST = 20
_LAST = 12


class History:
    """
    One run's history.

    contradictions: a line for each job that breaks a rule. events: of its claims and outcomes.
    left: jobs that neither ended nor died. forgotten: jobs that a promoted replica did not have.
    """

    def __init__(self, path: Path, *, offset_s: float = 0.0) -> None:
        self._lines = read_lines(path)
        self._broken: dict[bytes, str] = {}
        self._call: Call
        self.events: list[Event] = []
        self.calls = len(self._lines.kept)
        model = JobHistory(self._note, max_crashes=MAX_CRASHES)
        self.forgotten = _forgotten(self._lines)
        model.forgotten |= {job_id.encode() for job_id in self.forgotten}
        for call in calls(self._lines.kept, offset_s):
            self._call = call
            model.follow(call.script, call.args, call.reply, call.at_ms)
            self.events += _events(call)
        self.left = [job.id.decode() for job in model.left()]
        self.seen = model.seen
        self.contradictions = list(self._explained())

    def _note(self, rule: str, job_id: bytes, detail: str) -> None:
        if len(self._broken) < _MOST:
            sentence = f"{rule} {detail}".strip()
            where = f"call {self._call.number}, {self._call.script}"
            self._broken.setdefault(job_id, f"{job_id.decode()}: {sentence} ({where})")

    def _explained(self) -> Iterator[str]:
        """Add to each contradiction what happened to the job."""
        steps: dict[bytes, list[str]] = defaultdict(list)
        if self._broken:
            for line in self._lines.kept:
                for job_id in self._broken:
                    if job_id and job_id in line:
                        steps[job_id].append(_step(line, job_id))
        for job_id, sentence in self._broken.items():
            yield f"{sentence}; its calls: {', '.join(steps[job_id][-_LAST:])}"


def _step(line: bytes, job_id: bytes) -> str:
    [call] = calls([line])
    how = ""
    if call.script == "settle":
        how = "".join(
            f" {kind} by {token.decode()[-14:]}{'' if kept else ', refused'}"
            for settled, token, kind, kept in settled_in(call.args, call.reply)
            if settled == job_id
        )
    elif call.script in {"claim", "start"}:
        how = f" by {call.args[2 if call.script == 'claim' else 0].decode()[-14:]}"
    elif call.script == "admin":
        how = f" {call.args[0].decode()}"
    return f"{call.number} {call.script}{how}"


def _events(call: Call) -> Iterator[Event]:
    if call.script == "claim":
        token, job_ids = claimed_in(call.args, call.reply)
        pid = int(worker_of(token).split(b":")[1])
        for job_id in job_ids:
            how = ALONE if call.args[_MODE] == SUSPECT.encode() else None
            yield Event(call.real_s, "claimed", job_id.decode(), token.decode(), pid, how)
    elif call.script == "settle":
        for job_id, token, kind, kept in settled_in(call.args, call.reply):
            if kept and kind != "offer":
                pid = int(worker_of(token).split(b":")[1])
                yield Event(call.real_s, "settled", job_id.decode(), token.decode(), pid, kind)


def _forgotten(lines: Lines) -> set[str]:
    return {
        job_id.decode()
        for call in calls(lines.lost.get(PROMOTED, []))
        if call.script == "enqueue"
        for job_id in enqueued_in(call.args)
    }
