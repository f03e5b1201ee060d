"""The pages with real workers behind them, served from a thread of the test's own process."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from runner import Context, Periodic, connect, job, linear
from runner.current import disconnect
from runner.operations.catalog import Catalog
from runner.processes.http_server import serve_http
from runner.web.app import dashboard_app
from runner.web.dashboard import Dashboard, Environment
from runner.web.live import Live
from runner.web.login import LoginSettings
from tests.runner_kit import PATIENCE_S, start, stop, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from runner import QueueClient, Worker
    from runner.web.dashboard import Extension

T = TypeVar("T")

QUEUES = ("default", "analytics")
OPERATE, VIEW = "token-of-an-operator", "token-of-a-viewer"
MARKUP = '<script>alert("x")</script><b>&amp;"\''


class Gate:
    """Blocks the jobs, in the site's loop."""

    failing = True
    opened: asyncio.Event


@job(queue="default")
async def sync_channel(ctx: Context, channel_id: str, note: str = "") -> dict[str, Any]:
    """Bring a channel up to date, slowly."""
    ctx.progress(3, 12, "pages")
    await Gate.opened.wait()
    return {"channel": channel_id, "note": note}


@job(queue="default", max_retries=1, backoff=linear(0.05))
async def notify(ctx: Context, channel_id: str, api_token: str = "") -> str:
    """Fail until the cause is fixed."""
    if Gate.failing:
        raise ConnectionError(f"mail.example refused {channel_id} {bool(api_token)}")
    return f"notified in attempt {ctx.attempt}"


@job(queue="analytics", max_retries=0)
async def hostile(ctx: Context, text: str) -> None:
    """Raise an error with *text*."""
    raise ValueError(f"{text} {ctx.job_id}")


JOBS = (sync_channel, notify, hostile)
SCHEDULE = (
    Periodic("nightly-sync", sync_channel, "0 3 * * *", {"channel_id": "UC1"}, "Europe/Berlin"),
    Periodic(
        "digest", notify, "*/15 8-18 * * MON-FRI", {"channel_id": "UC1", "api_token": "s3cret"}
    ),
)


@dataclass
class Site:
    """A running site. url: of its pages."""

    redis_url: str
    login: LoginSettings = field(default_factory=LoginSettings)
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    extend: Callable[[Dashboard], Extension] | None = None
    worker_options: Mapping[str, Any] = field(default_factory=dict)
    environment: Environment = field(default_factory=Environment)
    url: str = ""
    redis: QueueClient = field(init=False)
    workers: list[Worker] = field(init=False, default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _serving: AsyncExitStack = field(init=False)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run *work* in the site's loop, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    @contextmanager
    def running(self, *, workers: bool = True) -> Iterator[Site]:
        """Serve during the block."""
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="site", daemon=True)
        thread.start()
        try:
            self.do(self._start(workers=workers))
            try:
                yield self
            finally:
                self.do(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _start(self, *, workers: bool) -> None:
        Gate.failing, Gate.opened = True, asyncio.Event()
        self.redis = connect(self.redis_url)
        dashboard = Dashboard(
            redis=self.redis,
            queues=QUEUES,
            catalog=Catalog.of(JOBS),
            schedule=SCHEDULE,
            login=self.login,
            live=Live(self.redis, QUEUES),
            secret="of the test, and of nobody else: 0123456789",  # noqa: S106
            version="test",
            environment=self.environment,
        )
        if self.extend is not None:
            dashboard.extend(self.extend(dashboard))
        app = dashboard_app(dashboard, hosts=self.hosts)
        self._serving = AsyncExitStack()
        self.url = await self._serving.enter_async_context(serve_http(app, "127.0.0.1", 0))
        self._serving.push_async_callback(dashboard.close)
        if workers:
            for queue in QUEUES:
                mine = [one for one in JOBS if one.queue == queue]
                plain = {"release": "v7", "concurrency": 4, "heartbeat_s": 0.3, "lease_s": 2.0}
                one = worker(self.redis_url, *mine, **{**plain, **self.worker_options})
                self.workers.append(await start(one))

    async def _stop(self) -> None:
        for one in self.workers:
            await stop(one, at_once=True)
        await self._serving.aclose()
        await self.redis.aclose()
        await disconnect()
