"""One job in full: what `pipeline jobs show` prints of it, live."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from redis.exceptions import RedisError
from rich.table import Table
from rich.text import Text
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from runner.broker.outage import no_answer
from runner.operations.job import job
from runner.operations.job_text import facts, timeline
from runner.operations.why import explain
from runner.operations.words import shown

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from runner.operations.session import OperatorSession

_LOOK_EVERY_S = 1.0


class OneJob(ModalScreen[None]):
    """Shows a job, or that it is gone, until it is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,enter,ctrl+c", "dismiss(None)")]

    def __init__(self, session: OperatorSession, queue: str, job_id: str) -> None:
        super().__init__()
        self._session = session
        self._queue = queue
        self._job_id = job_id
        self._facts = Static()
        self._timeline = Static()

    def compose(self) -> ComposeResult:
        """Lay it out over the whole screen."""
        with VerticalScroll(classes="page"):
            yield self._facts
            yield self._timeline
        yield Static(Text.assemble(("esc", "bold"), " back   ", ("↑ ↓", "bold"), " scroll"))

    def on_mount(self) -> None:
        """Start reading Redis."""
        self.run_worker(self._keep_looking(), name="look at one job")

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self._look()
            except (RedisError, OSError) as error:
                self._facts.update(Text(shown(f"{no_answer(error)}: {error}")))
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _look(self) -> None:
        session = self._session
        view = await job(session.redis, self._queue, self._job_id, session.catalog)
        if view is None:
            gone = f"Job {self._job_id} is gone: it is done and forgotten, or was deleted."
            self._facts.update(Text(shown(gone)))
            self._timeline.update("")
            return
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in facts(view, await explain(session.redis, view)).items():
            table.add_row(Text(name, style="bold"), Text(text))
        self._facts.update(table)
        self._timeline.update(Text("\n".join(timeline(view))))
