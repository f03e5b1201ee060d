"""`App`: what the commands get from an application that only names its parts."""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, get_args

import pytest
from redis.exceptions import RedisError

from runner import App, Context, Periodic, WorkerSettings, job
from runner.commands.host import Kind
from runner.configuration import Settings, use_config_file
from runner.errors import AppError, ConfigurationError, RunnerError, SettingsError
from runner.options import WorkerLimits
from runner.processes.health import Answers
from runner.worker_settings import inherited
from tests.bare_environment import bare_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path

    from runner.processes.health import HealthCheck


@job(queue="mail")
async def send(ctx: Context) -> None:
    """Is never run here."""
    raise NotImplementedError(ctx)


@job(queue="stock")
async def count(ctx: Context) -> None:
    """Is never run here."""
    raise NotImplementedError(ctx)


class Mail(WorkerSettings):
    """Has a number of its own."""

    queue = "mail"
    jobs = (send,)
    timeout_s = 7.0


class Stock(WorkerSettings):
    """Has a schedule of its own."""

    queue = "stock"
    jobs = (count,)
    schedule = (Periodic("every hour", count, "@hourly"),)


async def _hold() -> None:
    """Answer."""


def _checks(services: Mapping[type[Any], Any]) -> Sequence[HealthCheck]:
    return [Answers(f"warehouse of {len(services)}", _hold)]


class Warehouse:
    """A service."""


@asynccontextmanager
async def _services() -> AsyncIterator[Mapping[type[Any], Any]]:
    yield {Warehouse: Warehouse()}


shop = App(
    [Mail, Stock],
    schedule=[Periodic("every night", send, "@daily")],
    services=_services,
    checks=_checks,
)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with bare_environment(Settings, monkeypatch, tmp_path):
        yield


def test_app_names_what_a_shell_completes() -> None:
    """Queues, jobs and schedules are known by name, with no Redis running."""
    kinds: Sequence[Kind] = get_args(Kind)

    assert {kind: list(shop.names(kind)) for kind in kinds} == {
        "queue": ["mail", "stock"],
        "job": ["send", "count"],
        "schedule": ["every night", "every hour"],
    }


async def test_app_explains_a_redis_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An operator gets one line with a remedy, for the private Redis and for another."""
    with pytest.raises(SettingsError, match=r"no private Redis runs at .*`pipeline up`"):
        async with shop.operator_session():
            raise AssertionError
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/redis.sock")
    use_config_file(None)
    with pytest.raises(SettingsError, match=r"^Redis at .*redis\.sock: .*correct REDIS_URL"):
        async with shop.operator_session():
            raise AssertionError


async def test_app_adds_its_own_checks_to_the_runners() -> None:
    """Health is asked of Redis, the queues, the poller, and what the application names."""
    async with shop.look() as checks:
        names = [check.name for check in checks]

    assert names == ["redis", "workers", "poller", "warehouse of 0"]


async def test_app_checks_the_statsd_host_only_if_it_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`doctor` asks no name server about metrics that go nowhere."""
    assert [check.name for check in shop.checks_beside_redis()] == ["warehouse of 0"]
    monkeypatch.setenv("STATSD_HOST", "127.0.0.1")
    use_config_file(None)
    *_, statsd = shop.checks_beside_redis()

    assert statsd.name == "statsd"
    assert (await statsd.check()).ok


def test_app_expects_the_errors_of_the_runner_and_of_redis() -> None:
    """Their messages are printed without a traceback."""
    assert shop.expected_errors() == (RunnerError, RedisError)


def test_deployment_reaches_every_settings_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the class says itself stays; the rest is what the environment says, for all alike."""
    for name, value in {
        "REDIS_URL": "redis://example.com/3",
        "RUNNER__TIMEOUT_S": "11",
        "RUNNER__LEASE_S": "45",
        "STATSD_HOST": "127.0.0.1",
        "RELEASE": "abc",
        "SCHEDULED_POLL_INTERVAL_S": "3",
        "ERROR_WEBHOOK_URL": "https://example.com/hook",
    }.items():
        monkeypatch.setenv(name, value)
    use_config_file(None)
    # Held: once a class is collected, nothing is left of what it had.
    classes = [shop.configured(one) for one in (Mail, Stock)]
    mail, stock = map(vars, classes)

    assert (mail["redis_settings"].host, mail["redis_settings"].database) == ("example.com", 3)
    assert [mail["runner"].timeout_s, stock["runner"].timeout_s] == [7.0, 11]
    for options in (mail["runner"], stock["runner"]):
        assert options.lease_s == 45
        assert options.statsd == ("127.0.0.1", 8125)
        assert options.release == "abc"
        assert options.poll_interval_s == 3
        assert options.polled_queues == ("mail", "stock")
        assert [one.name for one in options.schedule] == ["every night", "every hour"]
        assert [type(one).__name__ for one in options.reporters] == [
            "LogReporter",
            "WebhookReporter",
        ]


def test_configured_class_follows_every_limit_of_the_deployment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each `RUNNER__*` that can be set arrives."""
    changed = {"max_crashes": 9, "dead_max_jobs": 8, "max_body_bytes": 77_777, "grace_s": 3.0}
    for name, value in changed.items():
        monkeypatch.setenv(f"RUNNER__{name.upper()}", str(value))
    use_config_file(None)
    options = vars(shop.configured(Stock))["runner"]

    assert {name: getattr(options, name) for name in changed} == changed
    assert options.lease_s == WorkerLimits.lease_s


async def test_class_keeps_its_own_resources_and_reporters_beside_the_shared_ones() -> None:
    """They come on top of what the application gives to all."""
    told: list[str] = []

    @asynccontextmanager
    async def own() -> AsyncIterator[Mapping[type[Any], Any]]:
        yield {str: "own"}

    class Reporter:
        async def report(self, _: object) -> None:
            """Do nothing."""

        async def close(self) -> None:
            """Do nothing."""

    class Special(Mail):
        resources = staticmethod(own)
        reporters = (Reporter(),)
        prepare = staticmethod(lambda: told.append("prepared"))

    found = shop.configured(Special)
    async with inherited(found, "resources")() as resources:
        assert set(resources) == {Warehouse, str}
    names = [type(one).__name__ for one in vars(found)["runner"].reporters]
    assert names == ["LogReporter", "Reporter"]


@pytest.mark.parametrize(("variable", "prefix"), [("", "shop:"), ("other:", "other:")])
def test_prefix_reaches_every_settings_class(
    monkeypatch: pytest.MonkeyPatch, variable: str, prefix: str
) -> None:
    """That of the environment wins over the application's own; a class may repeat it."""
    monkeypatch.setenv("REDIS_PREFIX", variable)
    use_config_file(None)
    repeats = type("Repeats", (Stock,), {"prefix": prefix})

    app = App([Mail, repeats], prefix="shop:")

    assert app.prefix == prefix
    for one, queue in ((Mail, "mail"), (repeats, "stock")):
        configured = app.configured(one)
        assert configured.prefix == prefix
        assert vars(configured)["queue_name"] == f"{prefix}queue:{queue}"
        assert vars(configured)["health_check_key"] == f"{prefix}queue:{queue}:health-check"


@pytest.mark.parametrize(
    ("variable", "given", "is_strict"),
    [
        (None, True, True),
        (None, False, False),
        ("true", False, True),
        ("false", True, False),
    ],
)
def test_strict_queues_reach_every_settings_class(
    monkeypatch: pytest.MonkeyPatch, *, variable: str | None, given: bool, is_strict: bool
) -> None:
    """The environment wins over the application's own; a class that says it itself wins."""
    if variable is not None:
        monkeypatch.setenv("RUNNER__STRICT_QUEUES", variable)
    use_config_file(None)
    lenient = type("Lenient", (Stock,), {"strict_queues": not is_strict})

    app = App([Mail, lenient], strict_queues=given)

    assert app.strict_queues is is_strict
    assert app.configured(Mail).as_options().strict_queues is is_strict
    assert app.configured(lenient).as_options().strict_queues is not is_strict


def test_class_with_another_prefix_is_refused() -> None:
    """Its jobs would not be where the application looks."""
    other = type("Other", (Mail,), {"prefix": "other:"})
    with pytest.raises(AppError, match="its prefix is 'other:', and that of the application ''"):
        App([other]).configured(other)


def test_prefix_that_cannot_be_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is said."""
    with pytest.raises(ConfigurationError, match="prefix is 'shop': give one word"):
        _ = App([Mail], prefix="shop").prefix
    with pytest.raises(ConfigurationError, match="Bad: prefix is 'shop': give one word"):
        type("Bad", (Mail,), {"prefix": "shop"})
    with pytest.raises(ConfigurationError, match="lies outside the prefix 'shop:'"):
        type("Whole", (WorkerSettings,), {"queue": "/arq:queue", "prefix": "shop:"})
    monkeypatch.setenv("REDIS_PREFIX", "sh*p:")
    use_config_file(None)
    with pytest.raises(SettingsError, match=r"variable REDIS_PREFIX is 'sh\*p:': give one word"):
        _ = App([Mail]).prefix


def test_class_may_have_a_redis_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker is there, and the other workers know where its queue is."""

    class Elsewhere(Mail):
        redis = "redis://:hunter2@elsewhere/0"

    monkeypatch.setenv("REDIS_URL", "redis://here/0")
    use_config_file(None)
    made = shop.configured(Elsewhere)
    assert vars(made)["redis_settings"].host == "elsewhere"
    assert made.as_options().polled_queues == ("mail",)
    servers = App([Elsewhere, Stock]).configured(Stock).as_options().servers
    assert servers is not None
    assert [one.host for one in servers.each] == ["here", "elsewhere"]


@job(queue="mail", name="count")
async def another(ctx: Context) -> None:
    """Has the name of a job of another queue."""
    raise NotImplementedError(ctx)


class Again(WorkerSettings):
    """Works a queue that `Mail` works."""

    queue = "mail"


class Double(WorkerSettings):
    """Has a job whose name is taken in `Stock`."""

    queue = "mail"
    jobs = (another,)


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (App([Mail, Again]), r"Mail and .*Again both work the queue 'mail': give one"),
        (App([Stock, Double]), r"count and .*another are both named 'count': give one another"),
        (App([send]), r"workers holds .*: give subclasses of runner\.WorkerSettings"),  # type: ignore[list-item]
        (App([WorkerSettings]), r"workers holds .*, each with its queue"),
        (App("no.such:WORKERS"), r"^workers='no\.such:WORKERS' .*: there is no module no"),
        (App(["nonsense"]), r"^workers='nonsense' of the application: write MODULE:NAME"),
    ],
)
def test_workers_that_do_not_fit_together_are_refused(app: App, reason: str) -> None:
    """In one line, when a command first needs them."""
    with pytest.raises(AppError, match=reason) as told:
        _ = app.queues
    assert "\n" not in str(told.value)


def test_two_schedules_of_one_name_are_refused() -> None:
    """Each would take the other's ticks for its own."""
    twice = App([Stock], schedule=[Periodic("every hour", send, "@hourly")])
    with pytest.raises(AppError, match="two schedules are named 'every hour'"):
        _ = twice.schedule


def test_schedule_may_follow_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a function of them, then."""
    monkeypatch.setenv("RELEASE", "abc")
    use_config_file(None)
    app = App([Mail], schedule=lambda settings: [Periodic(settings.release, send, "@daily")])
    assert [one.name for one in app.schedule] == ["abc"]


def test_parts_may_be_given_by_name_and_are_imported_late(tmp_path: Path) -> None:
    """Making the application imports none of them, nor the engine."""
    (tmp_path / "parts.py").write_text(
        "from runner import WorkerSettings\n"
        "class Mail(WorkerSettings): queue = 'mail'\n"
        "class Stock(WorkerSettings): queue = 'stock'\n"
        "BOTH = [Mail, Stock]\n"
    )
    script = (
        "import sys\nfrom runner import App\n"
        "app = App('parts:BOTH')\n"
        "print({'parts', 'redis', 'asyncio'} & set(sys.modules))\n"
        "print(list(app.queues))\nprint(App(['parts:Stock']).queues)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines() == ["set()", "['mail', 'stock']", "['stock']"], ran.stderr


def test_app_without_workers_can_be_made() -> None:
    """It is enough to look at what others announce."""
    assert App().queues == []
    assert isinstance(AppError("x"), ConfigurationError)
