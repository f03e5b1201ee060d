"""What one run of a worker has been asked to do, and the events that its stages wait for."""

from __future__ import annotations

import asyncio


class Life:
    """
    One run of a worker, from its start until it has stopped; shared by its stages.

    may_claim: clear while the worker is asked to be quiet. stopping: claim no more, and let running
    jobs finish within the grace time. at_once: do not wait for them. changed: a slot fell free, an
    outcome was settled, or one of the above was asked.
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
        """Whether the worker is asked to claim no jobs for now."""
        return not self.may_claim.is_set()

    def quiet(self) -> None:
        """Claim no more jobs, let running ones go on, and stay; until `resume`."""
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
    """A worker's wait for work, which ends early when somebody calls for it."""

    def __init__(self) -> None:
        self._called = asyncio.Event()
        self.until = 0.0
        """The loop's time at which the rest will end; 0 while the worker does not rest."""

    def begin(self, longest_s: float) -> None:
        """Rest for *longest_s* at most."""
        self.until = asyncio.get_running_loop().time() + longest_s

    async def called(self) -> None:
        """Return when somebody ends the rest."""
        await self._called.wait()

    def end(self) -> None:
        """End the rest: the worker is to stop, or to be quiet."""
        self._called.set()

    def end_within(self, delay_s: float) -> None:
        """End a rest that would be longer than *delay_s*: a job comes due by then."""
        if self.until and asyncio.get_running_loop().time() + delay_s < self.until:
            self._called.set()

    def over(self) -> None:
        """Forget the rest, and who called for its end."""
        self._called.clear()
        self.until = 0.0
