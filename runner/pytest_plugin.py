"""
Fixtures for pytest, which finds them by itself: the jobs of `runner.testing`.

    async def test_welcome(drained_jobs: Drained) -> None:
        await register("ada@example.org")
        await drained_jobs.run()
        assert not drained_jobs.dead

Override `job_resources` and `job_workers` in a conftest.py or in a test's own module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.testing import Collected, Drained
    from runner.worker_settings import WorkerSettings

# Nothing of the runner is imported before a test asks for it: pytest loads this file in every run.


@pytest.fixture
def job_resources() -> Mapping[type[Any], Any]:
    """Give what jobs get by `ctx.get`: nothing, unless a project overrides this."""
    return {}


@pytest.fixture
def job_workers() -> Sequence[type[WorkerSettings]]:
    """Give the settings classes whose jobs run: of none, unless a project overrides this."""
    return ()


@pytest.fixture
def collected_jobs() -> Iterator[Collected]:
    """Record what the test enqueues, as `collect` does."""
    from runner.testing import collect

    with collect() as jobs:
        yield jobs


@pytest.fixture
def drained_jobs(
    job_resources: Mapping[type[Any], Any], job_workers: Sequence[type[WorkerSettings]]
) -> Iterator[Drained]:
    """Keep what the test enqueues until it runs it, as `drain` does."""
    from runner.testing.running import drained_by, running

    with running(drained_by(job_resources, job_workers)) as jobs:
        yield jobs
