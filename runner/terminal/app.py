"""The application: its tabs, and what each key does; it reads Redis every second."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from redis.exceptions import RedisError
from rich.text import Text
from textual.app import App
from textual.widgets import DataTable, Input, Static, TabbedContent, TabPane, Tabs

from runner.broker.outage import no_answer
from runner.operations.jobs import Row
from runner.operations.processes import RunningJob
from runner.operations.queues import Queue
from runner.operations.words import shown
from runner.terminal.bindings import KEYS, bindings
from runner.terminal.confirm import Confirm
from runner.terminal.help import Help
from runner.terminal.job import OneJob
from runner.terminal.jobs import Dead, JobsOfQueue, Retries
from runner.terminal.metrics import Metrics
from runner.terminal.orders import ORDERS, name_of
from runner.terminal.overview import Overview
from runner.terminal.running import Running
from runner.terminal.schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from runner.operations.session import OperatorSession
    from runner.terminal.live_table import LiveTable
    from runner.terminal.orders import Order, Target
    from runner.terminal.pane import Pane

_LOOK_EVERY_S = 1.0


class Top(App[None]):
    """The dashboard on *session*, in the terminal's own colours, dark or light."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings())
    CSS_PATH = "top.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "pipeline top"

    def __init__(self, session: OperatorSession) -> None:
        super().__init__()
        self.theme = "ansi-dark"
        self._session = session
        self._due = asyncio.Event()
        self._queue = JobsOfQueue()
        self._panes: dict[str, Pane] = {
            "Overview": Overview(),
            "Queue": self._queue,
            "Running": Running(),
            "Retries": Retries(),
            "Dead": Dead(),
            "Schedules": Schedules(),
            "Metrics": Metrics(),
        }

    def compose(self) -> ComposeResult:
        """Lay out the tabs, the filter, the status line and the footer."""
        with TabbedContent():
            for number, (title, pane) in enumerate(self._panes.items(), 1):
                with TabPane(f"{number} {title}", id=f"tab-{number}"):
                    yield pane
        yield Input(placeholder="words, or job= id= text= error=", compact=True, id="filter")
        yield Static(id="status")
        foot = [(f"{key.shown} ", "bold") for key in KEYS if key.word]
        words = [(f"{key.word}  ", "") for key in KEYS if key.word]
        yield Static(
            Text.assemble(*(part for pair in zip(foot, words, strict=True) for part in pair)),
            id="foot",
        )

    def on_mount(self) -> None:
        """Start reading Redis."""
        self.query_one(Tabs).can_focus = False
        self.query_one("#filter").display = False
        self.pane.table.focus()
        self.run_worker(self._keep_looking(), name="look")

    @property
    def pane(self) -> Pane:
        """The pane that is shown."""
        active = self.query_one(TabbedContent).active
        return list(self._panes.values())[int(active.removeprefix("tab-") or 1) - 1]

    def on_tabbed_content_tab_activated(self) -> None:
        """Focus the tab's table, and read Redis at once."""
        self.pane.table.focus()
        self._show_filter()
        self._due.set()

    async def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open a queue or a job, by Enter or a click on its row."""
        if event.data_table is not self.pane.table:
            return
        match self.pane.table.selected:
            case Queue(name=name):
                self._open(list(self._session.queues).index(name))
            case Row(queue=queue, job_id=job_id) | RunningJob(queue=queue, job_id=job_id):
                await self.push_screen(OneJob(self._session, queue, job_id))

    def action_tab(self, key: str) -> None:
        """Go to the tab with this number."""
        self.query_one(TabbedContent).active = f"tab-{key}"

    def action_queue(self, key: str) -> None:
        """Go to the next queue, or the previous one."""
        self._open(self._queue.place + (1 if key == "n" else -1))

    async def action_help(self) -> None:
        """Show the keys."""
        await self.push_screen(Help())

    def action_filter(self) -> None:
        """Ask for a filter."""
        line = self.query_one("#filter", Input)
        line.value = self.pane.words
        line.display = True
        line.focus()

    def action_clear(self) -> None:
        """Remove filter and marks, and leave the input line."""
        self._filter_by("")
        self.pane.table.unmark()

    def action_mark(self) -> None:
        """Mark the selected row."""
        self.pane.table.mark()

    def action_mark_all(self) -> None:
        """Mark all rows."""
        self.pane.table.mark_all()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Show only rows that match."""
        self._filter_by(event.value.strip())

    async def action_order(self, key: str) -> None:
        """Ask, then act on the marked rows, or on the selected one."""
        order = ORDERS[key]
        table, chosen = self.pane.table, self.pane.chosen(order.takes)
        if not chosen:
            self._show_status(f"{key} {order.word}: select some {order.what} first")
            return

        def answered(confirmed: bool | None) -> None:  # noqa: FBT001 -- Textual calls it
            if confirmed:
                self.run_worker(self._carry_out(order, chosen, table), group="orders")

        names = [name_of(one) for one in chosen]
        await self.push_screen(Confirm(order.question(chosen), order.help, names), answered)

    async def _carry_out(self, order: Order, chosen: Sequence[Target], table: LiveTable) -> None:
        try:
            self._show_status(await order.carry_out(self._session, chosen))
        except (RedisError, OSError) as error:
            self._show_status(f"{no_answer(error)}: {error}; some of it may not have been done")
        table.unmark()
        self._due.set()

    async def _keep_looking(self) -> None:
        silent = False
        while True:
            self._due.clear()
            pane = self.pane
            try:
                if self._session.look_again is not None:
                    await self._session.look_again()
                reading = await pane.look(self._session)
            except (RedisError, OSError) as error:
                silent = True
                self._show_status(f"{no_answer(error)}: {error}; trying again every second")
            else:
                pane.show(reading)
                away = getattr(self._session.queues, "away", ())
                if away:
                    self._show_status("; ".join(map(str, away)))
                    silent = True
                elif silent:
                    silent = False
                    self._show_status("Redis answers again.")
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._due.wait()

    def _open(self, place: int) -> None:
        self._queue.place = place % len(self._session.queues)
        self.action_tab("2")
        self._due.set()

    def _filter_by(self, words: str) -> None:
        self.query_one("#filter").display = False
        self.pane.words = words
        self.pane.table.focus()
        self._show_filter()
        self._due.set()

    def _show_filter(self) -> None:
        words = self.pane.words
        self._show_status(f"Only rows with {words}; esc shows all" if words else "")

    def _show_status(self, line: str) -> None:
        self.query_one("#status", Static).update(Text(shown(line)))
