"""Turn what SQLAlchemy and the drivers raise into one-line `StoreError`s."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError, SQLAlchemyError, StatementError

from jobs.store.errors import NotStoredError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

# What to do, by words in the database's own message.
_REMEDIES = {
    "no such table": "bring its tables up to date first",
    "does not exist": "bring its tables up to date first, or correct DATABASE_URL",
    "locked": "another process has been writing for a long time; end it, or try again",
    "readonly": "make the file and its folder writable, or name another in DATABASE_URL",
    "unable to open": "make its folder readable and writable, or name another in DATABASE_URL",
    "not a database": "name another file in DATABASE_URL",
    "malformed": "restore the file from a backup, or name another in DATABASE_URL",
    "disk is full": "free some space on its disk",
    "No space left": "free some space on its disk",
    "permission denied": "grant the user of DATABASE_URL the permission",
    "too many clients": "allow more connections, or run fewer workers",
}


@contextmanager
def as_store_errors(where: str) -> Iterator[None]:
    """Turn what is raised inside into a `StoreError` about *where*; other errors pass."""
    try:
        yield
    except IntegrityError as error:
        reason = one_line(error.orig or error)
        if "foreign key" in reason.lower():
            raise NotStoredError(where, "what this record refers to is not stored") from error
        raise store_error(where, reason) from error
    except StatementError as error:
        raise store_error(where, one_line(error.orig or error)) from error
    except (SQLAlchemyError, OSError, OverflowError) as error:
        raise store_error(where, one_line(error)) from error


def store_error(where: str, reason: str) -> StoreError:
    """Make the error for *reason*, the database's own words, with what to do about it."""
    remedy = next((remedy for sign, remedy in _REMEDIES.items() if sign in reason), "")
    return StoreError(where, reason, remedy)


def one_line(error: BaseException) -> str:
    """Return the driver's own words, which SQLAlchemy's adapters put after a class name."""
    original = error.__cause__ or error
    return (str(original).strip() or type(original).__name__).splitlines()[0]
