"""What one run of a worker was asked to do, and the events that its stages wait for."""

from __future__ import annotations

import asyncio


class Life:
    """
    One run of a worker, from its start until it has stopped; its stages share it.

    may_claim: not set while the worker is quiet. stopping: claim no more, and let running jobs
    finish within the grace time. at_once: do not wait for them. changed: a slot became free, an
    outcome was settled, or the worker was asked to be quiet or to stop.
    """

    def __init__(self) -> None:
        self.may_claim = asyncio.Event()
        self.may_claim.set()
        self.stopping = asyncio.Event()
        self.at_once = asyncio.Event()
        self.changed = asyncio.Event()
        self.rest = Rest()

    @property
    def is_quiet(self) -> bool:
        """Whether the worker is to claim no jobs for now."""
        return not self.may_claim.is_set()

    def quiet(self) -> None:
        """Claim no jobs until `resume`; running ones go on."""
        self.may_claim.clear()
        self._wake()

    def resume(self) -> None:
        """Claim jobs again."""
        self.may_claim.set()

    def stop(self, *, at_once: bool = False) -> None:
        """Claim no more, let running jobs finish within the grace time; *at_once*: without it."""
        if at_once or self.stopping.is_set():
            self.at_once.set()
        self.stopping.set()
        self.may_claim.set()
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.rest.end()


class Rest:
    """A worker's wait for work, which can be ended early."""

    def __init__(self) -> None:
        self._ended_early = asyncio.Event()
        self.until = 0.0
        """When the rest will end, by the loop's clock; 0 while the worker does not rest."""

    def begin(self, longest_s: float) -> None:
        """Rest for *longest_s* at most."""
        self.until = asyncio.get_running_loop().time() + longest_s

    async def ended_early(self) -> None:
        """Return when the rest is to end."""
        await self._ended_early.wait()

    def end(self) -> None:
        """End the rest now: the worker is to stop, or to be quiet."""
        self._ended_early.set()

    def end_within(self, delay_s: float) -> None:
        """End a rest that would last longer than *delay_s*: a job comes due by then."""
        if self.until and asyncio.get_running_loop().time() + delay_s < self.until:
            self._ended_early.set()

    def clear(self) -> None:
        """Note that the worker no longer rests."""
        self._ended_early.clear()
        self.until = 0.0
