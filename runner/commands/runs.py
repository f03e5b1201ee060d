"""`pipeline runs`: the latest runs."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import click

from runner.commands.output import Shown, shows
from runner.commands.tables import STATE_COLORS, Column, Table
from runner.wording import counted, span

if TYPE_CHECKING:
    from runner.commands.host import Host
    from runner.operations.run_list import RunSummary


@click.command
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, help="How many to list; 20 by default."
)
@shows
async def runs(host: Host, *, limit: int) -> Shown:
    """
    List the latest runs, the last one first: jobs, and what they led to.

    They are put together from the newest jobs of each queue; run-of shows one with all its jobs.
    """
    from runner.operations.run_list import latest

    async with host.operator_session() as session:
        page = await latest(session.redis, session.queues, session.catalog, limit=limit)
    note = f"Of {counted(page.read, 'job')} that were read, {page.single:,} led to no other."
    return Shown(page.rows, [Table(_COLUMNS, page.rows)], note=note if not page.rows else "")


def _jobs(one: RunSummary) -> str:
    return f"{one.jobs:,}" if one.is_whole else f"{one.jobs:,} or more"


def _ends(one: RunSummary) -> str:
    states = ", ".join(f"{many:,} {state}" for state, many in one.counts.items())
    return f"{states}: {one.first_dead}" if one.first_dead else states


_COLUMNS = (
    Column("run", lambda one: one.name or "?", least=12, color="cyan"),
    Column("state", attrgetter("state"), color=lambda one: STATE_COLORS.get(one.state, "")),
    Column("began", attrgetter("began_at")),
    Column("took", lambda one: span(one.took_s) + ("" if one.ended_at else " so far"), right=True),
    Column("jobs", _jobs, right=True),
    Column("of them", _ends, least=8),
    Column("id", lambda one: one.batch_id or one.job_id, least=8),
)
