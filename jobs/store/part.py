"""Methods of the store made of functions over a connection: each call is one transaction."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sqlalchemy import Connection

    from jobs.store.database import Database

P = ParamSpec("P")
T = TypeVar("T")


class Part:
    """One part of the store; its methods are made by `reading` and `writing`."""

    def __init__(self, database: Database) -> None:
        self.database = database


def reading(
    work: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[Part, P], Coroutine[Any, Any, T]]:
    """Make a method that does *work* in a transaction which sees one state of the database."""

    @wraps(work)
    async def method(part: Part, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await part.database.read(work, *args, **kwargs)

    return method


def writing(
    work: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[Part, P], Coroutine[Any, Any, T]]:
    """Make a method that does *work* in a transaction which is committed whole, or not at all."""

    @wraps(work)
    async def method(part: Part, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await part.database.write(work, *args, **kwargs)

    return method
