"""
One database, opened: connections, and the two kinds of transaction.

Choices for SQLite, each made on every connection:

- write-ahead log: readers and the one writer do not wait for each other;
- `synchronous=NORMAL`: a crash of the program loses nothing, a power cut may take back the last
  transactions but never a part of one. Sources can be read again, so a sync repairs it, and
  no job waits for the disk;
- `BEGIN IMMEDIATE` for what writes: the lock is taken at the start, where SQLite can wait for
  it, never halfway, where it cannot. Within a process writers queue before that, in order;
- foreign keys are checked;
- a transaction is not cancelled halfway but at its end, an instant later. aiosqlite does not
  survive it: a connection that is closed while its thread still works stays open, with its lock,
  and whoever waits for it to close waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from sqlalchemy import URL, event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from jobs.store.errors import NotStoredError, StoreError
from jobs.store.types import to_json
from jobs.store.url import DatabaseUrl, PostgresServer, SqliteFile

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    import asyncpg
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

P = ParamSpec("P")
T = TypeVar("T")

# What is done in a transaction: it gets the connection, and whatever else it asks for.
Work: TypeAlias = Callable[Concatenate[AsyncConnection, P], Awaitable[T]]

# How long a writer waits for one of another process.
BUSY_TIMEOUT_S = 30

# What to do, by what the database's own message says.
_REMEDIES = {
    "no such table": "bring its tables up to date first",
    "does not exist": "bring its tables up to date first, or correct DATABASE_URL",
    "locked": "another process has been writing for long; end it, or try again",
    "readonly": "make the file and its folder writable, or name another in DATABASE_URL",
    "unable to open": "make its folder readable and writable, or name another in DATABASE_URL",
    "not a database": "name another file in DATABASE_URL",
    "malformed": "restore the file from a backup, or name another in DATABASE_URL",
    "full": "free some space on its disk",
    "No space left": "free some space on its disk",
    "permission denied": "grant the user of DATABASE_URL what it lacks",
    "too many": "allow more connections, or run fewer workers",
}


class Database:
    """
    Connections to one database; nothing is opened before the first transaction.

    Every error of the database or its driver leaves a transaction as a `StoreError`.
    """

    def __init__(self, url: DatabaseUrl) -> None:
        self.where = url.where
        self._engine = _sqlite(url) if isinstance(url, SqliteFile) else _postgres(url)
        self._to_its_end = isinstance(url, SqliteFile)
        self._one_writer: AbstractAsyncContextManager[Any]
        if isinstance(url, SqliteFile):
            self._one_writer = asyncio.Lock()
            self._reader = self._engine
            self._writer = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        else:
            self._one_writer = nullcontext()
            # What one reader sees in several statements must be one state.
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")
            self._writer = self._engine

    async def read(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do *work* in a transaction that sees one state of the database all the time."""
        return await self._run(_transaction(self._reader, work, *args, **kwargs))

    async def write(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do *work* in a transaction that is written whole if it returns, else not at all."""
        async with self._one_writer:
            return await self._run(_transaction(self._writer, work, *args, **kwargs))

    async def close(self) -> None:
        """Close all connections."""
        await self._run(self._engine.dispose())

    async def _run(self, transaction: Coroutine[Any, Any, T]) -> T:
        with _told_plainly(self.where):
            if self._to_its_end:
                return await _ToItsEnd(transaction, loop=asyncio.get_running_loop())
            return await transaction


class _ToItsEnd(asyncio.Task[T]):
    """A task that does not take a cancellation; who awaits it is cancelled when it is done."""

    def cancel(self, msg: Any | None = None) -> bool:
        del msg
        return False


async def _transaction(
    engine: AsyncEngine, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    async with engine.begin() as connection:
        return await work(connection, *args, **kwargs)


def _sqlite(file: SqliteFile) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(file.path)),
        connect_args={"timeout": BUSY_TIMEOUT_S},
        json_serializer=to_json,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver's own transactions begin late and never IMMEDIATE: off, and ours below.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            for setting in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
                cursor.execute(f"PRAGMA {setting}")
        except BaseException:
            connection.close()  # the pool has not taken it yet: its thread would stay
            raise
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


def _postgres(server: PostgresServer) -> AsyncEngine:
    # asyncpg reads the URL itself: it knows libpq's parameters (sslmode, passfile, several
    # hosts), which SQLAlchemy would hand on as unknown keywords.
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(_connect, server),
        json_serializer=to_json,
        pool_pre_ping=True,  # the pool outlives a restart of the server
    )


async def _connect(server: PostgresServer) -> asyncpg.Connection:
    import asyncpg

    try:
        return await asyncpg.connect(server.dsn, timeout=server.connect_timeout_s)
    except TimeoutError as error:
        reason = f"no answer within {server.connect_timeout_s:g} s"
        raise StoreError(server.where, reason, "start it, or correct DATABASE_URL") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(server.where, reason, "start it, or correct DATABASE_URL") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise StoreError(server.where, _one_line(error), "correct DATABASE_URL") from error


@contextmanager
def _told_plainly(where: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        reason = _one_line(error.orig)
        if "foreign key" in reason.lower():
            raise NotStoredError(where, "what this record refers to is not stored") from error
        raise StoreError(where, reason) from error
    except StatementError as error:
        raise _store_error(where, error.orig or error) from error
    except (SQLAlchemyError, OSError, OverflowError) as error:
        raise _store_error(where, error) from error


def _store_error(where: str, error: BaseException) -> StoreError:
    reason = _one_line(error)
    remedy = next((remedy for sign, remedy in _REMEDIES.items() if sign in reason), "")
    return StoreError(where, reason, remedy)


def _one_line(error: BaseException | None) -> str:
    """Give the driver's own words: SQLAlchemy's adapters put a class name before them."""
    told = getattr(error, "__cause__", None) or error
    return (str(told).strip() or type(told).__name__).splitlines()[0]
