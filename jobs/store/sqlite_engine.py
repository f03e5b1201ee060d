"""
Connections to a SQLite file.

Each of them has:

- a write-ahead log: readers and the one writer do not wait for each other;
- `synchronous=NORMAL`: a crash of the program loses nothing; a power cut may undo the last
  transactions, but never a part of one. Sources can be read again, so a sync repairs it, and no
  job waits for the disk;
- `BEGIN IMMEDIATE` for writers: the lock is taken at the start, where SQLite can wait for it,
  never halfway, where it cannot;
- foreign keys that are checked.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, create_engine, event

from jobs.json_text import to_json
from jobs.store.driver_errors import store_error
from jobs.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from jobs.store.url import SqliteFile

T = TypeVar("T")

BEGIN_READING = "BEGIN"
BEGIN_WRITING = "BEGIN IMMEDIATE"

# How long a writer waits for one of another process.
BUSY_TIMEOUT_S = 30

_SETTINGS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")


def engine(file: SqliteFile) -> Engine:
    """Make an engine for `transaction`; the engine itself begins no transaction."""
    made = create_engine(
        URL.create("sqlite+pysqlite", database=str(file.path)),
        # The pool gives a connection to one thread at a time, any thread.
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        json_serializer=to_json,
        # Every transaction is committed or rolled back before its connection returns to the pool.
        pool_reset_on_return=None,
    )

    @event.listens_for(made, "connect")
    def configure(connection: Any, _record: object) -> None:
        # Off: the driver's own transactions begin late and are never IMMEDIATE. Ours are below.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            for setting in _SETTINGS:
                cursor.execute(f"PRAGMA {setting}")
        except BaseException:
            connection.close()  # the pool does not have it yet
            raise
        cursor.close()

    return made


def transaction(engine: Engine, begin: str, work: Callable[[Connection], T]) -> T:
    """Do *work* in a transaction that begins with *begin*: committed if it returns, else undone."""
    with engine.begin() as connection:
        # Not by a listener, as SQLAlchemy's documentation suggests: an engine with one searches
        # for listeners at each statement, which takes a third longer.
        connection.exec_driver_sql(begin)
        return work(connection)


def probe(file: SqliteFile, *, create: bool = False) -> None:
    """
    Check that *file* is a writable database or, with *create*, can become one.

    This reports a problem when the store is opened, not in the first job. It blocks.

    Raises:
        StoreError: It is not; the message says why.
    """
    folder = file.path.parent
    if not folder.is_dir():
        raise StoreError(file.where, f"the folder {folder} does not exist", "create it first")
    if not create and not file.path.exists():
        raise StoreError(file.where, "there is no such file", "create its tables first")
    if not os.access(file.path if file.path.exists() else folder, os.W_OK):
        raise store_error(file.where, "it is readonly")
    try:
        with closing(sqlite3.connect(file.path, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise store_error(file.where, str(error)) from error
