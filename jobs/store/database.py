"""
An open database: two kinds of transaction, the same for SQLite and PostgreSQL.

The work of a transaction is a plain function over SQLAlchemy's `Connection`, and the event loop
is free while it runs. With SQLite it runs in a thread as a whole: one hop there and back, however
many statements. With PostgreSQL it runs in the loop, which turns to other tasks whenever the
function waits for the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from sqlalchemy import Connection

from jobs.store import postgres_engine, sqlite_engine
from jobs.store.driver_errors import as_store_errors
from jobs.store.errors import StoreLostError
from jobs.store.url import DatabaseUrl, SqliteFile

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Protocol

    from sqlalchemy.ext.asyncio import AsyncEngine

    from jobs.store.url import PostgresServer

P = ParamSpec("P")
T = TypeVar("T")

# The work of a transaction: it gets the connection, and its own arguments.
Work: TypeAlias = Callable[Concatenate[Connection, P], T]

# For SQLite: one thread writes at a time, and what the others do is mostly Python.
_THREADS = 4


class Database:
    """
    Connections to one database; nothing is opened before the first transaction.

    Every error of the database or its driver leaves a transaction as a `StoreError`. A SQLite
    transaction cannot be cancelled halfway, since a thread cannot: the cancellation takes effect
    when it ends, a moment later.
    """

    def __init__(self, url: DatabaseUrl) -> None:
        self._where = url.where
        self._kind: _Kind = _Sqlite(url) if isinstance(url, SqliteFile) else _Postgres(url)

    async def read(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do *work* in a transaction that sees one state of the database throughout."""
        with as_store_errors(self._where):
            return await self._kind.read(partial(_with_arguments, work, args, kwargs))

    async def write(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do *work* in a transaction that is committed whole if it returns, else not at all."""
        with as_store_errors(self._where):
            return await self._kind.write(partial(_with_arguments, work, args, kwargs))

    async def close(self) -> None:
        """Wait for what cannot be cancelled, and close all connections."""
        with as_store_errors(self._where):
            await self._kind.close()


def _with_arguments(work: Callable[..., T], args: Any, kwargs: Any, connection: Connection) -> T:
    return work(connection, *args, **kwargs)


if TYPE_CHECKING:

    class _Kind(Protocol):
        """One kind of database; errors are its driver's own."""

        async def read(self, work: Callable[[Connection], T]) -> T: ...

        async def write(self, work: Callable[[Connection], T]) -> T: ...

        async def close(self) -> None: ...


class _Sqlite:
    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._inode: int | None = None
        self._engine = sqlite_engine.engine(file)
        # Writers wait here in order: SQLite's own waiting polls, and is not fair.
        self._one_writer = asyncio.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sqlite")
        self._at_work: set[asyncio.Task[Any]] = set()

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._to_its_end(self._in_thread(sqlite_engine.BEGIN_READING, work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        async with self._one_writer:
            return await self._to_its_end(self._in_thread(sqlite_engine.BEGIN_WRITING, work))

    async def close(self) -> None:
        if self._at_work:
            await asyncio.wait(self._at_work)
        await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.dispose)
        self._threads.shutdown()

    async def _in_thread(self, begin: str, work: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._transaction, begin, work)

    def _transaction(self, begin: str, work: Callable[[Connection], T]) -> T:
        """SQLite would go on writing to a deleted file, or make an empty one in its place."""
        if self._inode is not None:
            self._check_in_place()
        done = sqlite_engine.transaction(self._engine, begin, work)
        self._check_in_place()
        return done

    def _check_in_place(self) -> None:
        try:
            inode = self._file.path.stat().st_ino
        except FileNotFoundError:
            inode = None
        if inode is None or inode != (self._inode or inode):
            raise StoreLostError(
                self._file.where,
                "its file was deleted or replaced while it was open, and with it what was stored",
                "restore it, or run the command again to start anew",
            )
        self._inode = inode

    async def _to_its_end(self, coroutine: Coroutine[Any, Any, T]) -> T:
        task = _ToItsEnd(coroutine, loop=asyncio.get_running_loop())
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return await task


class _Postgres:
    def __init__(self, server: PostgresServer) -> None:
        self._writer = postgres_engine.engine(server)
        # The statements of one reader must all see the same state.
        self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ")

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await _transaction_in_loop(self._reader, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        return await _transaction_in_loop(self._writer, work)

    async def close(self) -> None:
        await self._writer.dispose()


async def _transaction_in_loop(engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
    async with engine.begin() as connection:
        return await connection.run_sync(work)


class _ToItsEnd(asyncio.Task[T]):
    """A task that is not cancelled: asyncio cancels the awaiting task when this one has ended."""

    def cancel(self, msg: Any | None = None) -> bool:
        del msg
        return False
