"""Whatever is wrong with one source, or done by it, costs that source alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from jobs import apart
from jobs.sources.source import SourceError
from runner.errors import OffloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

T = TypeVar("T")

_SHOWN_CHARACTERS = 200


async def read_apart(
    run: apart.Run,
    location: str,
    size: int,
    function: Callable[..., T],
    *args: Any,
    returns: Collection[type] = (),
) -> T:
    """
    Return what *function* makes of the *size* bytes at *location*, by *run*.

    returns: the classes of what it may give back, beside plain data.

    Raises:
        SourceError: It raised that, crashed, or passed a limit.
    """
    try:
        return await run(function, *args, limits=apart.reading(size), returns=returns)
    except OffloadError as error:
        raise SourceError(location, f"cannot be read: {error}", "Split or correct it") from error


@contextmanager
def reading_errors(location: str) -> Iterator[None]:
    """
    Let nothing that is found at *location* cost more than this one source.

    Raises:
        SourceError: In place of any other error; one that no reader foresaw is named by its type.
    """
    try:
        yield
    except SourceError:
        raise
    except MemoryError as error:
        raise SourceError(location, "needs more memory than there is", "Split it") from error
    except OSError as error:
        raise SourceError(location, f"cannot be read ({error.strerror or error})") from error
    except Exception as error:
        said = f"{type(error).__name__}: {error}"[:_SHOWN_CHARACTERS]
        remedy = "Its reader did not foresee this: please report it"
        raise SourceError(location, f"cannot be read ({said})", remedy) from error
