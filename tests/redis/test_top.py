"""`pipeline top` shows what a real Redis holds, and does what its keys say, once confirmed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from textual.widgets import Static

from jobs import notify, sync_channel
from runner import Context, JobState, job
from runner.commands.run_command import run_command
from runner.configuration import use_config_file
from runner.operations.actions import Operator, Request
from runner.operations.audit import entries
from runner.operations.catalog import Catalog
from runner.operations.metrics import Cell, Deploy
from runner.operations.plot import nice
from runner.operations.processes import processes
from runner.operations.queues import queue
from runner.operations.session import OperatorSession
from runner.operations.verbs import Action
from runner.program import cli
from runner.terminal.app import Top
from runner.terminal.charts import bars, strips
from runner.terminal.confirm import Confirm
from runner.terminal.help import Help
from runner.terminal.job import OneJob
from runner.terminal.metrics import Metrics
from runner.terminal.schedules import Schedules
from runner.wording import short
from settings import app
from tests.runner_kit import eventually, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from textual.pilot import Pilot

    from runner import JobHandle, QueueClient

HOSTILE = "\x1b[31m[bold]red"


class Seat:
    """The dashboard with a user in front of it, who waits until it shows what was asked for."""

    def __init__(self, app: Top, pilot: Pilot[None]) -> None:
        self.app = app
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        await self._pilot.press(*keys)

    async def order(self, key: str, answer: str = "y") -> None:
        """Press the key of an order, and answer its question."""
        await self.press(key)
        assert isinstance(self.app.screen, Confirm)
        await self.press(answer)

    async def rows(self, count: int) -> list[list[str]]:
        """Wait for a number of rows in the table of the keys."""
        await self.until(lambda: self.app.pane.table.row_count == count)
        table = self.app.pane.table
        return [[str(cell).strip() for cell in table.get_row_at(row)] for row in range(count)]

    async def cell(self, column: int, text: str) -> None:
        """Wait until the first row of the table of the keys has *text* in a column."""

        def says() -> bool:
            table = self.app.pane.table
            return table.row_count > 0 and str(table.get_row_at(0)[column]).strip() == text

        await self.until(says)

    async def reported(self, text: str) -> None:
        """Wait until the line of what was done says *text*."""
        await self.until(lambda: text in str(self.app.query_one("#status", Static).content))

    async def until(self, ask: Callable[[], bool]) -> None:
        """Wait until the screen is as *ask* wants it."""

        async def look() -> bool:
            await self._pilot.pause()
            return ask()

        await eventually(look)


@pytest.fixture
def session(redis: QueueClient) -> OperatorSession:
    """Return a session on two queues of the empty Redis."""
    catalog = Catalog.of([sync_channel, notify, held])
    return OperatorSession(
        redis, ("default", "notifications"), {}, (), catalog, Operator(redis, "tester")
    )


@asynccontextmanager
async def sitting(session: OperatorSession, *keys: str) -> AsyncIterator[Seat]:
    """Return a user at the dashboard who has pressed *keys*."""
    app = Top(session)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*keys)
        yield Seat(app, pilot)


async def waiting(job_id: str, channel_id: str = "UC1") -> JobHandle[Any]:
    """Return a job that is due in ten minutes."""
    options = sync_channel.options(job_id=job_id, delay_s=600)
    return await options.enqueue(channel_id=channel_id)


async def dead(session: OperatorSession, job_id: str) -> JobHandle[Any]:
    """Return a job in the dead set."""
    handle = await waiting(job_id)
    await session.operator.act(Request(Action.BURY), "default", job_id)
    return handle


@job(queue="default")
async def held(ctx: Context) -> None:
    """Run until the test ends it."""
    ctx.progress(3, 10, "rows")
    await asyncio.Event().wait()


async def test_dead_job_is_retried_by_its_key(session: OperatorSession) -> None:
    """R, confirmed, makes the selected job due, and the audit log names who did that."""
    handle = await dead(session, "one")

    async with sitting(session, "5") as seat:
        ((name, job_id, *_),) = await seat.rows(1)
        assert name == "sync_channel"
        assert job_id.startswith("one~")
        await seat.order("R")
        await seat.reported("due now")
        await seat.rows(0)

    assert await handle.state() is JobState.READY
    latest = (await entries(session.redis)).entries[0]
    assert (latest.who, latest.action, latest.target.partition("~")[0]) == (
        "tester",
        "run",
        "default/one",
    )


@pytest.mark.parametrize("answer", ["n", "escape", "q"])
async def test_order_that_is_not_confirmed_changes_nothing(
    session: OperatorSession, answer: str
) -> None:
    """Without a yes nothing is done, and the table is back."""
    handle = await dead(session, "one")

    async with sitting(session, "5") as seat:
        await seat.rows(1)
        await seat.order("D", answer)
        assert not isinstance(seat.app.screen, Confirm)

    assert await handle.state() is JobState.DEAD


async def test_order_is_for_the_marked_rows(session: OperatorSession) -> None:
    """Marked rows are deleted together; the one under the cursor is not."""
    for name in ("one", "two", "three"):
        await dead(session, name)

    async with sitting(session, "5") as seat:
        shown = [row[1] for row in await seat.rows(3)]
        await seat.press("space", "space")
        await seat.order("D")
        await seat.reported("2 deleted")
        ((_, left, *_),) = await seat.rows(1)

    assert left == shown[2]


async def test_order_on_a_job_that_moved_on_says_so(session: OperatorSession) -> None:
    """A job that has gone by the time of the answer is reported as gone."""
    await dead(session, "one")

    async with sitting(session, "5") as seat:
        await seat.rows(1)
        await seat.press("B")
        await session.operator.act(Request(Action.DELETE), "default", "one")
        await seat.press("y")
        await seat.reported("not touched, for it is")


@pytest.mark.parametrize("words", ["uc2", "id=tw", "text=UC2 scheduled"])
async def test_filter_keeps_what_fits(session: OperatorSession, words: str) -> None:
    """A filter by shown words, or by a field, keeps one of two rows; Esc shows both."""
    await waiting("one")
    await waiting("two", "UC2")

    async with sitting(session, "2") as seat:
        await seat.rows(2)
        await seat.press("slash", *("space" if one == " " else one for one in words), "enter")
        ((_, job_id, *_),) = await seat.rows(1)
        assert job_id == "two"
        await seat.press("escape")
        await seat.rows(2)


async def test_queue_is_paused_and_resumed_by_the_same_key(session: OperatorSession) -> None:
    """P pauses the selected queue, shows who did that, and resumes it."""
    async with sitting(session) as seat:
        await seat.rows(2)
        await seat.press("down")
        await seat.order("P")
        await seat.reported("notifications: paused")
        assert (await queue(session.redis, "notifications")).paused is not None
        assert (await queue(session.redis, "default")).paused is None

        await seat.until(lambda: "paused by tester" in map(str, seat.app.pane.table.get_row_at(1)))
        await seat.order("P")
        await seat.reported("notifications: resumed")

    assert (await queue(session.redis, "notifications")).paused is None


async def test_enter_opens_the_queue(session: OperatorSession) -> None:
    """Enter on a queue shows its jobs, n the next queue's."""
    await waiting("one")
    await notify.options(job_id="mail", delay_s=600).enqueue(key="a")

    async with sitting(session) as seat:
        await seat.rows(2)
        await seat.press("enter")
        assert [row[1] for row in await seat.rows(1)] == ["one"]
        await seat.press("n")
        await seat.until(lambda: "mail" in str(seat.app.pane.table.get_row_at(0)[1]))


async def test_enter_opens_a_job(
    session: OperatorSession,
    monkeypatch: pytest.MonkeyPatch,
    redis_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All that `pipeline jobs show` prints, kept up to date until one goes back."""
    await waiting("one", HOSTILE)

    async with sitting(session, "2") as seat:
        await seat.rows(1)
        await seat.press("enter")
        await seat.until(lambda: "not due until" in page(seat))
        shown = page(seat)
        assert "\x1b" not in shown
        await session.operator.act(Request(Action.BURY), "default", "one")
        await seat.until(lambda: "buried by tester" in page(seat))
        shown = page(seat)
        await session.operator.act(Request(Action.DELETE), "default", "one")
        await seat.until(lambda: "is gone" in page(seat))
        await seat.press("escape")
        assert not isinstance(seat.app.screen, OneJob)

    await dead(session, "one")
    monkeypatch.setenv("REDIS_URL", redis_url)
    use_config_file(None)
    show = partial(run_command, cli, ["jobs", "show", "one"], expected=app.expected_errors)
    assert await asyncio.to_thread(show) == 0
    printed = capsys.readouterr().out
    names = [line.split()[0] for line in printed.splitlines() if line[:1].isalpha()]
    assert [line.split()[0] for line in shown.splitlines() if line[:1].isalpha()] == names


def page(seat: Seat) -> str:
    """Return what the screen of one job shows, its table first."""
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        for part in seat.app.screen.query(".page > Static").results(Static):
            console.print(part.content)
    return captured.get()


async def test_running_job_is_shown_and_aborted_and_its_process_quieted(
    session: OperatorSession, redis_url: str
) -> None:
    """A process and its running job are shown with progress; Q and A act on them."""
    handle = await held.enqueue()

    async with working(redis_url, held), sitting(session, "3") as seat:
        await seat.rows(1)
        await seat.cell(1, "1/10")  # a heartbeat of before the job says 0/10
        await seat.order("Q")
        await seat.reported("asked to quiet")

        async def quiet() -> bool:
            return (await processes(session.redis, session.queues))[0].quiet

        await eventually(quiet)
        await seat.press("tab")
        await seat.cell(0, "held")
        await seat.cell(5, "3/10 rows")
        await seat.order("A")
        await seat.reported("asked to end")

        async def over() -> bool:
            return await handle.state() is not JobState.RUNNING

        await eventually(over)


async def test_hostile_text_is_only_text(session: OperatorSession) -> None:
    """Neither escapes nor markup in an argument reach the terminal."""
    await waiting("one", HOSTILE)

    async with sitting(session, "2") as seat:
        (row,) = await seat.rows(1)

    assert "\x1b" not in row[-1]
    assert "[bold]red" in row[-1]


async def test_order_for_another_kind_of_row_says_so(session: OperatorSession) -> None:
    """A key that has nothing to act on asks for a row, and does nothing else."""
    async with sitting(session) as seat:
        await seat.rows(2)
        await seat.press("D")
        await seat.reported("select some jobs first")


async def test_help_opens_and_q_quits(session: OperatorSession) -> None:
    """`?` lists the keys, any way out of it leads back, and q ends the program."""
    async with sitting(session, "question_mark") as seat:
        assert isinstance(seat.app.screen, Help)
        await seat.press("escape")
        assert not isinstance(seat.app.screen, Help)
        await seat.press("q")
        assert not seat.app.is_running


def test_bars_show_every_minute_in_which_something_ended() -> None:
    """The highest bar fills its character, the lowest is visible, and only zero is blank."""
    assert bars([0, 1, 50, 100]) == [" ▁▄█"]
    assert bars([0, 1, 50, 100], rows=2, wide=2) == ["      ██", "  ▁▁████"]
    assert bars([]) == [""]


async def test_overview_fits_every_screen(session: OperatorSession) -> None:
    """From 80 × 24 on, findings, chart and queues are there, and no line is too wide."""
    await waiting("later")
    for columns, rows in ((80, 24), (120, 40), (200, 60)):
        app = Top(session)
        async with app.run_test(size=(columns, rows)) as pilot:
            seat = Seat(app, pilot)
            assert [row[0] for row in await seat.rows(2)] == ["default", "notifications"]
            text = str(app.pane.query_one(".summary", Static).content)
            assert "things are wrong" in text
            assert max(map(cell_len, text.splitlines())) < columns
            for key, kind in (("6", Schedules), ("7", Metrics)):
                await seat.press(key)
                assert isinstance(app.pane, kind)


def test_chart_has_the_scale_of_the_pages_and_says_what_nobody_read() -> None:
    """Done and failed end at round numbers; a step without a reading is hatched, never 0."""
    start = datetime(2026, 11, 30, 16, tzinfo=UTC)
    at = [start + timedelta(minutes=minute) for minute in range(60)]
    cells = [
        Cell(at=when, done=0 if place == 30 else 70 + place, failed=place % 3)
        for place, when in enumerate(at)
    ]
    for cell in cells:
        cell.waits[4] = cell.attempts
    polls = [when for place, when in enumerate(at) if place != 30] + [at[-1] + timedelta(minutes=1)]
    cells[30].failed = 0
    for columns, rows in ((80, 5), (120, 12), (200, 16)):
        drawn = strips(
            cells,
            room=(columns, rows),
            until=at[-1],
            deploys=[Deploy("0.4.2", at[20])],
            polls=polls,
        ).plain.splitlines()
        assert len(drawn) == rows
        assert max(map(cell_len, drawn)) <= columns
        assert any(line.rstrip().endswith(short(nice(129))) for line in drawn)
        assert "░" in drawn[0]
        assert "▲0.4.2" in drawn[-1]
        assert ("half below" in "".join(drawn)) == (rows >= 7)
