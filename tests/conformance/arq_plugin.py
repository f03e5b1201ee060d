"""
Replaces arq's worker and client by ours in arq's unchanged test suite.

By default the suite uses pickle and arq's queue. Our defaults are JSON and `default`, so the plugin
sets arq's explicitly, as a user would. Tests listed in `docs/arq-conformance.md` are expected to
fail. `--stock` runs the suite on arq itself.
"""

from __future__ import annotations

import importlib.util
import pickle
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import arq
import arq.connections
import arq.worker
import pytest
from arq.constants import default_queue_name

from runner.client import QueueClient
from runner.on_arq.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
EXPECTED_FAILURES = ROOT / "docs" / "arq-conformance.md"
ALL_TESTS = 174

_LISTED = re.compile(r"^\| `(test_\w+\.py::[^`]+)` \| (.+) \|$", re.MULTILINE)


class PicklingClient(QueueClient):
    """
    Uses pickle and arq's queue by default.

    `create_pool` sets the serializers to None after making the client.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default_queue_name", default_queue_name)
        super().__init__(*args, **kwargs)
        self.job_serializer = kwargs.get("job_serializer")
        self.job_deserializer = kwargs.get("job_deserializer")

    def __setattr__(self, name: str, value: Any) -> None:
        if value is None and name in {"job_serializer", "job_deserializer"}:
            value = pickle.dumps if name == "job_serializer" else pickle.loads
        super().__setattr__(name, value)


class PicklingWorker(Worker):
    """Uses pickle by default."""

    def __init__(
        self,
        functions: Sequence[Any] = (),
        *,
        job_serializer: Any = None,
        job_deserializer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            functions,
            job_serializer=job_serializer or pickle.dumps,
            job_deserializer=job_deserializer or pickle.loads,
            **options,
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--stock`, to check that the suite as run here passes on arq."""
    parser.addoption("--stock", action="store_true", help="run arq's own worker and client")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Swap the names before the suite imports them, and provide a Redis without a container."""
    containers = ModuleType("testcontainers.redis")
    setattr(containers, "RedisContainer", OwnRedis)  # noqa: B010 -- no attribute in a type's eye
    sys.modules["testcontainers"] = ModuleType("testcontainers")
    sys.modules["testcontainers.redis"] = containers
    if early_config.known_args_namespace.stock:
        return
    for module in (arq, arq.worker):
        setattr(module, "Worker", PicklingWorker)  # noqa: B010 -- likewise
    for module in (arq, arq.connections, arq.worker):
        setattr(module, "ArqRedis", PicklingClient)  # noqa: B010 -- likewise


def pytest_configure(config: pytest.Config) -> None:
    """The suite turns warnings into errors; ignore those about arq's own calls."""
    # redis-py 5.0.1 deprecated the method with which arq and its suite close connections.
    config.addinivalue_line("filterwarnings", "ignore:Call to deprecated close:DeprecationWarning")
    # Outside a loop, arq asks for one first and makes one only if there is none.
    config.addinivalue_line("filterwarnings", "ignore:There is no current event loop")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the expected failures; one that passes is an error too."""
    listed = EXPECTED_FAILURES.read_text(encoding="utf-8")
    reasons = {} if config.option.stock else dict(_LISTED.findall(listed))
    names = {item: item.nodeid.removeprefix("tests/") for item in items}
    for item, name in names.items():
        if name in reasons:
            item.add_marker(pytest.mark.xfail(strict=True, reason=reasons[name]))
    whole = config.args_source.name != "ARGS" and not config.option.keyword
    if whole and (len(items) != ALL_TESTS or not reasons.keys() <= set(names.values())):
        astray = sorted(reasons.keys() - set(names.values()))
        raise pytest.UsageError(
            f"{len(items)} tests collected and not {ALL_TESTS}, "
            f"or {EXPECTED_FAILURES.name} lists tests that there are not: {astray}"
        )


class OwnRedis:
    """Replaces the container: a private redis-server on a free port."""

    port = 6379

    def __init__(self, image: str) -> None:
        del image  # which Redis it is depends on what is installed
        self._running = _redis_server().running_redis()

    def __enter__(self) -> Self:
        self._server = self._running.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._running.__exit__(None, None, None)

    def get_container_host_ip(self) -> str:
        """Return the address that it listens on."""
        return str(self._server.host)

    def get_exposed_port(self, port: int) -> int:
        """Return its real port."""
        del port
        return int(self._server.port)


def _redis_server() -> Any:
    """Load our tests' module by its path: here `tests` is arq's package."""
    spec = importlib.util.spec_from_file_location(
        "own_redis_server", ROOT / "tests" / "redis_server.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
