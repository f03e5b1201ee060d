"""The examples of docs/examples: their servers and workers, started and called as a user would."""

from __future__ import annotations

import asyncio
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.pipeline_command import Commands
from tests.runner_kit import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.pipeline_command import Running

pytestmark = pytest.mark.timeout(280)  # some start a dozen processes, one after the other

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
_ADDRESS = re.compile(r"http://127\.0\.0\.1:[1-9]\d*")
_ENDED = {"done", "dead"}


class Example(Commands):
    """One of the examples, in a folder of its own."""

    @contextmanager
    def serving(self, says: str, *words: str) -> Iterator[str]:
        """Run a web server for the block; give its address, which follows what it *says*."""
        with self.running(*words) as server:
            server.until(says)
            yield _address(server)


@pytest.fixture
def example(tmp_path: Path, redis_url: str) -> Callable[[str], Example]:
    """Return what copies an example, with the empty Redis as its own."""

    def copied(name: str) -> Example:
        folder = tmp_path / name
        shutil.copytree(EXAMPLES / name, folder)
        return Example(folder, {"REDIS_URL": redis_url})

    return copied


def _address(server: Running) -> str:
    found = _ADDRESS.search(server.out + server.err)
    assert found, server.err
    return found.group()


async def _ended(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Ask for the state of a job, as a client does, until it has ended."""

    async def ask() -> dict[str, Any] | None:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        return state if state["state"] in _ENDED else None

    ended: dict[str, Any] = await eventually(ask, within_s=60.0, every_s=0.02)
    return ended


async def test_flask_view_enqueues_and_shows_the_result(
    example: Callable[[str], Example],
) -> None:
    """Under gunicorn, whose workers are forked from a loaded application; jobs have its context."""
    shop = example("flask")
    gunicorn = (
        "gunicorn",
        "--preload",
        "--workers",
        "2",
        "--threads",
        "4",
        "--bind",
        "127.0.0.1:0",
    )
    with (
        shop.serving("Booting worker", *gunicorn, "shop.web:create_app()") as url,
        shop.running("pipeline", "--app", "shop.background:app", "worker", "reports"),
    ):
        async with httpx.AsyncClient(base_url=url, timeout=30.0) as client:
            ordered = await asyncio.gather(
                *(client.post("/reports", data={"day": f"2026-11-{day}"}) for day in range(10, 30))
            )
            assert {answer.status_code for answer in ordered} == {202}
            for day, answer in enumerate(ordered, 10):
                state = await _ended(client, answer.json()["state"])
                assert state == {
                    "id": answer.json()["id"],
                    "job": "build_report",
                    "state": "done",
                    "result": f"Sales of {day} November 2026, in EUR",
                    "error": None,
                }
            for nobody in ("/jobs/build_report/nobody", "/jobs/rob_a_bank/1"):
                assert (await client.get(nobody)).status_code == 404


async def test_fastapi_route_enqueues_and_shows_the_result(
    example: Callable[[str], Example],
) -> None:
    """Under uvicorn, from a coroutine and from a thread; a result comes in its own type."""
    shop = example("fastapi")
    with (
        shop.serving("Uvicorn running on", "uvicorn", "shop.web:app", "--port", "0") as url,
        shop.running("pipeline", "--app", "shop.background:app", "worker", "reports"),
    ):
        async with httpx.AsyncClient(base_url=url, timeout=30.0) as client:
            ordered = await client.post("/reports", json={"day": "2026-11-29"})
            assert ordered.status_code == 202, ordered.text
            state = await _ended(client, ordered.json()["state"])
            assert state["result"] == {"day": "2026-11-29", "title": "Sales of 29 November 2026"}
            many = await client.post("/reports/all", json=[{"day": "2026-11-01"}] * 3)
            for job_id in many.json():
                assert (await _ended(client, f"/jobs/build_report/{job_id}"))["state"] == "done"
            for nobody in ("/jobs/build_report/nobody", "/jobs/rob_a_bank/1"):
                assert (await client.get(nobody)).status_code == 404
            schema = (await client.get("/openapi.json")).json()
            assert "/jobs/{job}/{job_id}" in schema["paths"]


async def _placed(client: httpx.AsyncClient, email: str) -> tuple[int, dict[str, Any]]:
    """Place an order, and return its number and what became of its task."""
    placed = await client.post("/orders", data={"email": email})
    assert placed.status_code == 202, placed.text
    return placed.json()["order"], await _task(client, placed.json()["task"])


async def _task(client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    async def ask() -> dict[str, Any] | None:
        task: dict[str, Any] = (await client.get(f"/tasks/{task_id}")).json()
        return task if task["status"] in {"SUCCESSFUL", "FAILED"} else None

    ended: dict[str, Any] = await eventually(ask, within_s=60.0, every_s=0.02)
    return ended


async def test_django_view_enqueues_with_its_transaction_and_shows_the_result(
    example: Callable[[str], Example],
) -> None:
    """Under Django's own server; the worker is a command of the project, in two processes."""
    shop = example("django")
    shop.variables["PYTHONUNBUFFERED"] = "1"
    manage = ("python", "manage.py")
    assert shop.run(*manage, "migrate", "--run-syncdb").status == 0
    assert shop.run(*manage, "check").status == 0
    with (
        shop.serving("Quit the server", *manage, "runserver", "--noreload", "127.0.0.1:0") as url,
        shop.running(*manage, "pipeline", "worker", "default", "mail", "--processes", "2"),
    ):
        async with httpx.AsyncClient(base_url=url, timeout=30.0) as client:
            emails = [f"{number}@example.org" for number in range(20)]
            placed = await asyncio.gather(*(_placed(client, email) for email in emails))
            for email, (number, task) in zip(emails, placed, strict=True):
                assert task == {"status": "SUCCESSFUL", "value": email, "attempts": 1}
                order = (await client.get(f"/orders/{number}")).json()
                assert order == {"email": email, "receipt": f"Thank you, {email}"}
            counted = await client.post("/count")
            task = await _task(client, counted.json()["task"])
            assert task["value"] == "20 at attempt 1"
        assert _queues(shop, "--settings", "shop.settings") == ["mail", "default"]


def _queues(shop: Example, *words: str) -> list[str]:
    listed = shop.run("python", "manage.py", "pipeline", *words, "queues", "list")
    assert listed.status == 0, listed
    return re.findall(r"^(\w+) +\d", listed.out, re.MULTILINE)


def test_command_of_django_serves_the_application_that_is_named(
    example: Callable[[str], Example],
) -> None:
    """By the project, by a variable or by an option; without any, that of the project's tasks."""
    shop = example("django")
    named = ["mail", "default"]  # the class that it gives comes first
    assert _queues(shop) == named
    assert "count" in shop.run("python", "manage.py", "pipeline", "schedules", "list").out
    (shop.folder / "pyproject.toml").write_text("[tool.pipeline]")
    ended = shop.run("python", "manage.py", "pipeline", "queues", "list")
    assert ended.status == 2
    assert "has no app" in ended.err
    (shop.folder / "pyproject.toml").unlink()
    assert _queues(shop) == ["default", "mail"]
    assert _queues(shop, "--app", "shop.background:app") == named
    shown = shop.run("python", "manage.py", "help", "pipeline")
    assert "Run the background jobs of this Django project." in shown.out


async def test_worker_of_django_is_replaced_when_a_file_changes(
    example: Callable[[str], Example],
) -> None:
    """As the page says: watchfiles runs the command anew. The project names no application."""
    shop = example("django")
    (shop.folder / "pyproject.toml").unlink()
    shop.variables["PYTHONUNBUFFERED"] = "1"
    manage = ("python", "manage.py")
    assert shop.run(*manage, "migrate", "--run-syncdb").status == 0
    command = f"{shop.programs / 'python'} manage.py pipeline worker mail"
    with (
        shop.serving("Quit the server", *manage, "runserver", "--noreload", "127.0.0.1:0") as url,
        shop.running("watchfiles", "--filter", "python", command, "shop"),
    ):
        async with httpx.AsyncClient(base_url=url, timeout=30.0) as client:
            number, _ = await _placed(client, "a@example.org")
            assert (await client.get(f"/orders/{number}")).json()["receipt"].startswith("Thank you")
            tasks = shop.folder / "shop" / "tasks.py"
            tasks.write_text(tasks.read_text().replace("Thank you", "Many thanks"))

            async def is_new() -> bool:
                number, _ = await _placed(client, "b@example.org")
                order = (await client.get(f"/orders/{number}")).json()
                return bool(order["receipt"] == "Many thanks, b@example.org")

            await eventually(is_new, within_s=60.0, every_s=0.05)
