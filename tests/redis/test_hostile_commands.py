"""Whatever stands in Redis, each command and `pipeline top` answer, in a sentence."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click
import pytest

from runner.client import connect
from runner.commands.run_command import run_command
from runner.configuration import use_config_file
from runner.operations.actions import Operator
from runner.operations.catalog import Catalog
from runner.operations.session import OperatorSession
from runner.program import cli
from runner.terminal.app import Top
from settings import app
from tests import hostile
from tests.redis.asked_keys import asked_keys, asks_for
from tests.redis.standing import JOBS, SCHEDULE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from runner import QueueClient
    from tests.redis.standing import Snapshot

_FIELDS = (b"default|work|n", b"acted", b"nightly", b"default|nightly")
_asked: dict[str, set[bytes]] = {}
"""Each command, with the words that Redis hears then; learned once."""

_NOT_OF_REDIS = {
    *("up", "web", "worker", "top", "new", "password", "completion"),
    *("run", "channels", "report", "export", "notifications"),
}
"""They serve, know channels, or do not look into Redis."""

_LOOKS = ("list", "show", "why", "health", "doctor --json")


def _calls(snapshot: Snapshot) -> list[str]:
    """Every command that looks into Redis, with what it takes: those that only look come first."""
    context, found = click.Context(cli), []
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if name in _NOT_OF_REDIS:
            continue
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                found += [f"{name} {inner}{rest}" for rest in _rest(name, inner, snapshot)]
        else:
            found += [name + rest for rest in _rest(name, "", snapshot)]
    return sorted(found, key=lambda call: not any(f" {word} " in f" {call} " for word in _LOOKS))


def _rest(name: str, inner: str, snapshot: Snapshot) -> list[str]:  # noqa: PLR0911 -- a table
    process = ":".join(snapshot.worker_id.split(":")[:2])
    states = ("ready", "scheduled", "running", "retrying", "parked", "dead")
    match name, inner:
        case "jobs", "list":
            return [*(f" --state {state}" for state in states), " --text a --error b"]
        case ("jobs", "show") | ("why", _):
            return [f" {one}" for one in snapshot.jobs]
        case "doctor", _:
            return [" --json", " --repair", ""]
        case "enqueue", _:
            return [" sync_channel --arg channel_id=UC1"]
        case "sessions", "revoke":
            return [" --user ada", " --all"]
        case _, "list" | "":
            return [""]
        case "queues", _:
            return [" default"]
        case "workers", _:
            return [f" {process}"]
        case "schedules", _:
            return [" compare-channels"]
    options = {"move": " --to analytics", "reschedule": " --at 10m"}.get(inner, "")
    every = "" if inner == "show" else " --all --yes --queue default --text a"
    return [f"{options} {snapshot.jobs[-1]}"] + [f"{options}{every}"] * bool(every)


@pytest.fixture
def here(redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Let commands use the empty Redis."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path))
    use_config_file(None)
    yield redis_url
    use_config_file(None)


def _do(url: str, work: Callable[[QueueClient], Awaitable[Any]]) -> None:
    async def run() -> None:
        client = connect(url)
        await work(client)
        await client.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("pattern", hostile.PATTERNS)
def test_commands_answer_beside_what_is_not_ours(
    here: str, snapshot: Snapshot, pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an exit status and a line of what is wrong, never with a fault of the program."""
    problems = []
    victims = snapshot.keys_of(pattern)[:3]
    if not _asked:
        for call in _calls(snapshot):
            _do(here, snapshot.restore)
            with asked_keys(here) as _asked[call]:
                run_command(cli, call.split(), expected=app.expected_errors)
    for state in _some(pattern):

        async def place(redis: QueueClient, state: hostile.State = state) -> None:
            await snapshot.restore(redis)
            for victim in victims:
                await state.put(redis, victim, _FIELDS)

        _do(here, place)
        for call in (one for one, words in _asked.items() if asks_for(words, victims)):
            status = run_command(cli, call.split(), expected=app.expected_errors)
            said = capsys.readouterr()
            text = said.out + said.err
            if status not in {0, 1, 2} or any(one in text for one in _FAULTS):
                problems.append(f"{state.name}: {call}: {status} {text[-500:]}")
    assert not problems, "\n".join(problems)


_FAULTS = ("fault of the program", "does not answer", "cannot be reached")


def _some(pattern: str) -> Sequence[hostile.State]:
    """One of another type, and two of odd contents."""
    wrong, _, *odd = hostile.states(hostile.type_of(pattern))
    return [wrong, odd[0], odd[-2]]


async def test_top_shows_what_is_left(
    redis: QueueClient, redis_url: str, snapshot: Snapshot
) -> None:
    """Each of its tabs, whatever key holds what."""
    session = OperatorSession(
        redis, ("default",), {}, SCHEDULE, Catalog.of(JOBS), Operator(redis, "ada")
    )
    top = Top(session)
    async with top.run_test(size=(100, 30)) as pilot:
        asked = {}
        await snapshot.restore(redis)
        for name, pane in top._panes.items():
            with asked_keys(redis_url) as asked[name]:
                await pane.look(session)
        for pattern in hostile.PATTERNS:
            victims = snapshot.keys_of(pattern)[:3]
            panes = [top._panes[name] for name, words in asked.items() if asks_for(words, victims)]
            for state in _some(pattern) if panes else ():
                await snapshot.restore(redis)
                for victim in victims:
                    await state.put(redis, victim, _FIELDS)
                for pane in panes:
                    pane.show(await pane.look(session))
                await pilot.pause()
