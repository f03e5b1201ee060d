"""What tests of sources share: a local HTTP server, and files written for the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from tests.unit.sources.local_server import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.unit.sources.local_server import LocalServer


class Write(Protocol):
    """Writes a file of the test's own and gives its path."""

    def __call__(self, name: str, content: str | bytes) -> str:
        """Write *content* to the file *name*."""
        ...


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file into the test's own folder; text as UTF-8 with its line ends as they are."""

    def written(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return written


@pytest.fixture
async def server() -> AsyncIterator[LocalServer]:
    """Run a real HTTP server on this machine."""
    async with serving() as local:
        yield local
