"""
Puts our worker and client in the place of arq's for arq's test suite, which is not changed.

The suite counts on pickle and on arq's queue where it names none. Ours are JSON and `default`, and
the others are what a user asks for: so they are asked for here. Tests that
`docs/arq-conformance.md` lists are expected to fail. `--stock` runs the suite on arq itself.
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
    Pickles where no serializer is named, and has arq's default queue.

    `create_pool` names None after the client is made.
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
    """Pickles where no serializer is named."""

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
    """Have a way to see that the suite, as it is run here, passes on arq."""
    parser.addoption("--stock", action="store_true", help="run arq's own worker and client")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Swap the names before the suite imports them; have a Redis that needs no container."""
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
    """The suite makes errors of warnings; these are about how arq itself calls others."""
    # redis-py 5.0.1 retired the name by which arq, and its suite, close their connections.
    config.addinivalue_line("filterwarnings", "ignore:Call to deprecated close:DeprecationWarning")
    # arq asks for a loop outside of one, and makes one only where there is none.
    config.addinivalue_line("filterwarnings", "ignore:There is no current event loop")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is expected to fail; one that passes all the same is an error, too."""
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
    """In the place of a container: a redis-server of this run's own on a free port."""

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
        """Where it listens."""
        return str(self._server.host)

    def get_exposed_port(self, port: int) -> int:
        """The port that it really has."""
        del port
        return int(self._server.port)


def _redis_server() -> Any:
    """Our tests' own module, by its path: `tests` is the name of arq's package here."""
    spec = importlib.util.spec_from_file_location(
        "own_redis_server", ROOT / "tests" / "redis_server.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
