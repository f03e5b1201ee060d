"""Flows in tests without Redis: which nodes start once others have ended."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.passing import passed_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.enqueue import Enqueue, FlowPlan, PlannedNode

_NODE = re.compile(r"(\d+)(\.\d+)?")
_OVER = {"done", "failed"}


class FlowRecord:
    """
    A flow in a test's memory.

    state: as `arq:batch:<id>:state` has it. passed: as `arq:batch:<id>:results`.
    """

    def __init__(self, plan: FlowPlan) -> None:
        self._id = plan.id
        self._nodes = {str(one.number): one for one in plan.nodes}
        self.state = {name: str(len(one.needs)) for name, one in self._nodes.items()}
        self.passed: dict[str, bytes] = {}
        self.is_cancelled = False
        self._lefts: dict[str, int] = {}

    @property
    def waits(self) -> bool:
        """Whether some node has not started."""
        return any(state.isdigit() for name, state in self.state.items() if name in self._nodes)

    def begin(self) -> list[Enqueue]:
        """Return the jobs that need no others."""
        return self._start([one for name, one in self._nodes.items() if self.state[name] == "0"])

    def drop(self) -> None:
        """Let no node start any more."""
        self.is_cancelled = True
        for name, state in self.state.items():
            if name in self._nodes and state.isdigit():
                self.state[name] = "aborted"

    def end(self, job_id: str, how: str, passed: bytes) -> list[Enqueue]:
        """Note that a node has ended, and return the jobs that start now."""
        found = _NODE.fullmatch(job_id.removeprefix(f"{self._id}:"))
        if found is None or found[1] not in self._nodes or self.state.get(found[0]) in _OVER:
            return []
        own, name = found[0], found[1]
        node = self._nodes[name]
        if how != "done" and node.on_failure != "go_on":
            self.state[own] = how
            if how != "dead" or node.on_failure == "cancel":
                self.drop()
            return []
        self.state[own] = "done" if how == "done" else "failed"
        self._keep(own, node, how, passed)
        if own != name:
            self._lefts[name] -= 1
            if self._lefts[name]:
                return []
            self.state[name] = "done"
        return self._release(node)

    def _keep(self, own: str, node: PlannedNode, how: str, passed: bytes) -> None:
        wiring = node.request.wiring
        if how != "done":
            self.passed[own] = b"!" + (passed or b"{}")
        elif wiring is not None and wiring.passes is not None:
            lengths, _, value = passed_on(passed, wiring.passes).partition(b"\n")
            self.passed[own] = value
            for at, length in enumerate(lengths.split()):
                self.passed[f"{node.number}#{at}"] = length

    def _release(self, node: PlannedNode) -> list[Enqueue]:
        ready = []
        for number in node.needed_by:
            needs = self.state[str(number)]
            if needs.isdigit():
                self.state[str(number)] = str(int(needs) - 1)
                if needs == "1":
                    ready.append(self._nodes[str(number)])
        return self._start(ready)

    def _start(self, nodes: Sequence[PlannedNode]) -> list[Enqueue]:
        requests: list[Enqueue] = []
        for node in nodes if not self.is_cancelled else ():
            name = str(node.number)
            self.state[name] = "started"
            if not node.over:
                requests.append(node.request)
                continue
            count = int(self.passed.get(node.over, b"0"))
            self.passed[f"{name}#"] = b"%d" % count
            self.state[f"{name}.count"], self._lefts[name] = str(count), count
            requests += [_one_of(node.request, at) for at in range(count)]
            if not count:
                self.state[name] = "done"
                requests += self._release(node)
        return requests


def _one_of(request: Enqueue, at: int) -> Enqueue:
    return replace(request, job_id=f"{request.job_id}.{at}")
