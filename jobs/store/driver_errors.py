"""What SQLAlchemy and the drivers raise, told in one line as a `StoreError`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError, SQLAlchemyError, StatementError

from jobs.store.errors import NotStoredError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

# What to do, by what the database's own message says.
_REMEDIES = {
    "no such table": "bring its tables up to date first",
    "does not exist": "bring its tables up to date first, or correct DATABASE_URL",
    "locked": "another process has been writing for long; end it, or try again",
    "readonly": "make the file and its folder writable, or name another in DATABASE_URL",
    "unable to open": "make its folder readable and writable, or name another in DATABASE_URL",
    "not a database": "name another file in DATABASE_URL",
    "malformed": "restore the file from a backup, or name another in DATABASE_URL",
    "disk is full": "free some space on its disk",
    "No space left": "free some space on its disk",
    "permission denied": "grant the user of DATABASE_URL what it lacks",
    "too many clients": "allow more connections, or run fewer workers",
}


@contextmanager
def told_plainly(where: str) -> Iterator[None]:
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
    """Make the error for a database's own words *reason*, with what to do about it."""
    remedy = next((remedy for sign, remedy in _REMEDIES.items() if sign in reason), "")
    return StoreError(where, reason, remedy)


def one_line(error: BaseException) -> str:
    """Give the driver's own words, which SQLAlchemy's adapters put behind a class name."""
    told = error.__cause__ or error
    return (str(told).strip() or type(told).__name__).splitlines()[0]
