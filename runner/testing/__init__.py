"""
Test jobs, and code that enqueues them, without a worker: three ways, none of which needs Redis.

    with collect() as jobs:            # jobs are only recorded
        await send.enqueue(to="Ada")
    assert jobs.of(send)[0].kwargs == {"to": "Ada"}

    async with inline({Services: services}):          # each job runs where it is enqueued
        await send.enqueue(to="Ada")

    async with drain({Services: services}) as jobs:   # jobs wait, then run in order of time
        handle = await send.enqueue(to="Ada")
        await jobs.run()
        assert await handle.result() == "sent"

Bodies go through JSON, and arguments, timeouts, retries and outcomes through the stages of a real
worker. Handles answer from memory. Time passes only by `jobs.clock`, except for what a job itself
awaits. Blocks of several tests that run side by side do not mix.

To run whole workers, in a time that jobs do not have to wait for either, see `runner.simulation`.
"""

from runner.testing.clock import Clock
from runner.testing.memory import Collected, collect
from runner.testing.records import Enqueued, JobError
from runner.testing.running import Drained, drain, inline

__all__ = ["Clock", "Collected", "Drained", "Enqueued", "JobError", "collect", "drain", "inline"]
