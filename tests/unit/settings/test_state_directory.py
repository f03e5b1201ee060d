"""The state directory is its user's alone; other folders are left as they are."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from jobs.store import migrate, open_store
from runner.configuration import load
from runner.configuration.state_directory import make_home
from runner.private_files import share
from settings.environment import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _wide_rights() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """Return the rights of *path*."""
    return path.stat().st_mode & 0o777


async def test_new_directory_and_all_in_it_is_the_users_alone(tmp_path: Path) -> None:
    """The database, folders made later, and what child processes make."""
    settings = load(Settings)
    make_home(settings)
    await migrate(settings.database)
    async with open_store(settings.database) as store:
        await store.ping()
        (settings.home / "reports").mkdir()
        child = await asyncio.create_subprocess_exec("touch", settings.home / "reports" / "child")
        assert await child.wait() == 0
        rights = [mode(path) for path in (settings.home, *settings.home.rglob("*"))]
    assert len(rights) >= 4
    assert {each & 0o077 for each in rights} == {0}
    asked_for = tmp_path / "report.pdf"
    asked_for.touch()
    assert mode(asked_for) == 0o600
    share(asked_for)
    assert mode(asked_for) == 0o644


def test_directory_that_is_there_is_narrowed_if_all_in_it_is_ours() -> None:
    """One that an earlier version made, with its files."""
    home = load(Settings).home
    home.mkdir(mode=0o755)
    (home / "pipeline.db").touch(mode=0o644)
    (home / "reports").mkdir(mode=0o755)
    make_home(load(Settings))
    assert [mode(path) for path in (home, home / "pipeline.db", home / "reports")] == [
        0o700,
        0o600,
        0o700,
    ]


def test_directory_with_others_files_stays_open(tmp_path: Path) -> None:
    """A folder that is somebody's for other things, such as `.`: only our files are narrowed."""
    tmp_path.chmod(0o755)
    (tmp_path / "web").mkdir(mode=0o755)
    (tmp_path / "pipeline.db").touch(mode=0o644)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPELINE_HOME", str(tmp_path))
        make_home(load(Settings))
    modes = [mode(path) for path in (tmp_path, tmp_path / "web", tmp_path / "pipeline.db")]
    assert modes == [0o755, 0o755, 0o600]
