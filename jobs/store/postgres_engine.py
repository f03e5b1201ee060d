"""Connections to a PostgreSQL server."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import create_async_engine

from jobs.json_text import to_json
from jobs.store.driver_errors import one_line
from jobs.store.errors import StoreError
from runner.extras import pip_command

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy.ext.asyncio import AsyncEngine

    from jobs.store.url import PostgresServer


def engine(server: PostgresServer) -> AsyncEngine:
    """
    Make an engine; asyncpg reads the URL itself.

    It knows libpq's parameters (`sslmode`, `passfile`, several hosts), which SQLAlchemy would
    pass on as unknown keywords.

    Raises:
        StoreError: asyncpg is not installed.
    """
    if find_spec("asyncpg") is None:
        remedy = pip_command("postgres")
        raise StoreError(server.where, "the driver asyncpg is not installed", remedy)
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(_connect, server),
        json_serializer=to_json,
        pool_pre_ping=True,  # the pool survives a restart of the server
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
        raise StoreError(server.where, one_line(error), "correct DATABASE_URL") from error
