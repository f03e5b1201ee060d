"""Sources as one process reaches them; what they need is loaded when it is first used."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from jobs.lazy_import import imported
from runner.configuration.state_directory import make_home

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jobs.apart import Run
    from jobs.channel.records import SourceRef, SourceResult
    from jobs.services import SourceAccess
    from jobs.sources import Finding
    from jobs.sources.memory import SourceMemory
    from jobs.sources.reader import SourceReader
    from jobs.sources.youtube.quota import QuotaLedger
    from jobs.store import ChannelStore
    from settings.environment import Settings


@asynccontextmanager
async def open_sources(
    settings: Settings, run: Run, ledger: QuotaLedger | None = None
) -> AsyncIterator[SourceAccess]:
    """
    Give access to sources, which are read by *run*.

    *ledger* counts quotas; without one, a store that is opened for it.

    Raises:
        SettingsError, StoreError: As for `open_services`, when a quota is first spent.
    """
    async with AsyncExitStack() as stack:
        yield _Sources(settings, run, ledger or _LateLedger(settings, stack), stack)


class _Sources:
    """Loads the parsers when a source is first read, in a thread, because they are large."""

    def __init__(
        self, settings: Settings, run: Run, ledger: QuotaLedger, stack: AsyncExitStack
    ) -> None:
        self._settings = settings
        self._run = run
        self._ledger = ledger
        self._stack = stack
        self._opening = asyncio.Lock()
        self._opened: SourceReader | None = None

    async def discover(self, location: str, mapping: str | None = None) -> list[Finding]:
        """See `SourceAccess`."""
        return await (await self._reader()).discover(location, mapping)

    async def feeds_listed(self, location: str) -> list[str] | None:
        """See `SourceAccess`."""
        return await (await self._reader()).feeds_listed(location)

    async def guess_mapping(self, location: str) -> str:
        """See `SourceAccess`."""
        return await (await self._reader()).guess_mapping(location)

    async def read(self, ref: SourceRef, channel_id: str, memory: SourceMemory) -> SourceResult:
        """See `SourceAccess`."""
        return await (await self._reader()).read(ref, channel_id, memory)

    async def _reader(self) -> SourceReader:
        async with self._opening:
            if self._opened is None:
                await imported("jobs.sources.reader")
                self._opened = await self._open()
            return self._opened

    async def _open(self) -> SourceReader:
        from jobs.sources import FactCache
        from jobs.sources.reader import SourceReader
        from jobs.sources.youtube.api import open_youtube_api

        settings, api = self._settings, None
        if settings.youtube_api_key:
            api = await self._stack.enter_async_context(
                open_youtube_api(
                    settings.youtube_api_key,
                    self._ledger,
                    units_per_day=settings.youtube_quota_per_day,
                    url=settings.youtube_api_url,
                )
            )
        return SourceReader(
            api,
            FactCache(settings.sources_dir),
            allow_private=settings.allow_private_addresses,
            run=self._run,
        )


class _LateLedger:
    """Opens the store when a unit is first spent: a command that reads files needs none."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._opening = asyncio.Lock()
        self._opened: ChannelStore | None = None

    async def spend(self, account: str, day: str, units: int, budget: int) -> bool:
        """See `QuotaLedger`."""
        return await (await self._quotas()).spend(account, day, units, budget)

    async def exhaust(self, account: str, day: str, budget: int) -> None:
        """See `QuotaLedger`."""
        await (await self._quotas()).exhaust(account, day, budget)

    async def used(self, account: str, day: str) -> int:
        """See `QuotaLedger`."""
        return await (await self._quotas()).used(account, day)

    async def _quotas(self) -> QuotaLedger:
        from jobs.store import migrate, open_store

        async with self._opening:
            if self._opened is None:
                make_home(self._settings)
                await migrate(self._settings.database)
                opening = open_store(self._settings.database)
                self._opened = await self._stack.enter_async_context(opening)
            return self._opened.quotas
