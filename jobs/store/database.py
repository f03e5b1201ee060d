"""One database, opened: the two kinds of transaction, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from jobs.store import postgres_engine, sqlite_engine
from jobs.store.driver_errors import told_plainly
from jobs.store.url import DatabaseUrl, SqliteFile

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sqlalchemy.ext.asyncio import AsyncEngine

P = ParamSpec("P")
T = TypeVar("T")

# What is done in a transaction: it gets the connection, and whatever else it asks for.
Work: TypeAlias = Callable[Concatenate[AsyncConnection, P], Awaitable[T]]


class Database:
    """
    Connections to one database; nothing is opened before the first transaction.

    Every error of the database or its driver leaves a transaction as a `StoreError`. In SQLite a
    transaction is not cancelled halfway: the cancellation comes through at its end, an instant
    later. aiosqlite does not survive the other: a connection closed while its thread is at work
    stays open, with its lock, and who waits for it to close waits for ever.
    """

    def __init__(self, url: DatabaseUrl) -> None:
        self._where = url.where
        self._at_work: set[asyncio.Task[Any]] = set()
        self._one_writer: AbstractAsyncContextManager[Any]
        if isinstance(url, SqliteFile):
            self._engine = sqlite_engine.engine(url)
            self._reader = self._engine
            self._writer = self._engine.execution_options(begin=sqlite_engine.BEGIN_WRITING)
            # In order, and none of them in SQLite's own waiting, which polls and is not fair.
            self._one_writer = asyncio.Lock()
            self._to_its_end = True
        else:
            self._engine = postgres_engine.engine(url)
            # What one reader sees in several statements must be one state.
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")
            self._writer = self._engine
            self._one_writer = nullcontext()
            self._to_its_end = False

    async def read(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do *work* in a transaction that sees one state of the database all the time."""
        return await self._run(_transaction(self._reader, work, *args, **kwargs))

    async def write(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do *work* in a transaction that is written whole if it returns, else not at all."""
        async with self._one_writer:
            return await self._run(_transaction(self._writer, work, *args, **kwargs))

    async def close(self) -> None:
        """Let what cannot be cancelled come to its end, and close all connections."""
        if self._at_work:
            await asyncio.wait(self._at_work)
        await self._run(self._engine.dispose())

    async def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        with told_plainly(self._where):
            if not self._to_its_end:
                return await coroutine
            task = _ToItsEnd(coroutine, loop=asyncio.get_running_loop())
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
            return await task


async def _transaction(
    engine: AsyncEngine, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    async with engine.begin() as connection:
        return await work(connection, *args, **kwargs)


class _ToItsEnd(asyncio.Task[T]):
    """A task that takes no cancellation: asyncio keeps it for who awaits the task, until then."""

    def cancel(self, msg: Any | None = None) -> bool:
        del msg
        return False
