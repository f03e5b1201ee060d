"""What a process is, where it runs and what it uses. A simulation has machines of its own."""

from __future__ import annotations

import os
import platform
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Machine:
    """This process on this machine."""

    has_threads = True
    """Whether a thread can watch an event loop of this process."""

    @property
    def host(self) -> str:
        """The machine's name."""
        return platform.node()

    @property
    def pid(self) -> int:
        """The process's number."""
        return os.getpid()

    @property
    def memory_bytes(self) -> int:
        """The memory that the process holds."""
        used: int = self._process.memory_info().rss
        return used

    @cached_property
    def _process(self) -> Any:
        import psutil

        return psutil.Process()


_real = Machine()
_which: Callable[[], Machine] | None = None


def this() -> Machine:
    """Return the machine on which the calling code runs."""
    return _real if _which is None else _which()


@contextmanager
def replaced(by: Callable[[], Machine]) -> Iterator[None]:
    """Run on other machines inside, in this whole process."""
    global _which  # noqa: PLW0603 -- one process has one
    before, _which = _which, by
    try:
        yield
    finally:
        _which = before
