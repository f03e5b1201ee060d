"""What our workers have in common, without their engine: it is imported when one is made."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import arq.worker

if TYPE_CHECKING:
    from collections.abc import Callable


ArqWorker = arq.worker.Worker
"""arq's own class, whatever that name is bound to later."""


def _signature() -> inspect.Signature:
    """Return arq's signature with `runner`: arq's command takes settings by the names in it."""
    theirs = inspect.signature(ArqWorker)
    ours = inspect.Parameter("runner", inspect.Parameter.KEYWORD_ONLY, default=None)
    return theirs.replace(parameters=[*theirs.parameters.values(), ours])


SIGNATURE: Final = _signature()


class BaseWorker(ArqWorker):
    """
    Base of our workers. To make one of it is to make one of the class that *chosen* returns.

    `command` binds arq's name for its worker to this class.
    """

    __signature__ = SIGNATURE

    chosen: ClassVar[Callable[[], type[BaseWorker]]]

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Make one of *chosen*, whose `__init__` is called then."""
        return super().__new__(BaseWorker.chosen() if cls is BaseWorker else cls)  # type: ignore[return-value]
