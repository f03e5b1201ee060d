"""`pipeline report CHANNEL`: a channel's report, or one of its charts, made from the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from jobs.commands.channels.choice import choose_channel
from runner.commands.output import print_document
from runner.commands.printing import echo
from runner.commands.run_command import run_async
from runner.errors import OffloadDiedError

if TYPE_CHECKING:
    from jobs.channel.summary import ReportSummary
    from jobs.charts.rendering import Request
    from jobs.commands.host import Host
    from jobs.services import Services

_Format = Literal["html", "pdf", "png", "svg", "json"]
_STANDARD_OUTPUT = "-"


@click.command
@click.argument("channel", metavar="CHANNEL")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(get_args(_Format)),
    default="html",
    show_default=True,
    help="png and svg are one picture for each page; json is for programs.",
)
@click.option(
    "--chart", metavar="KEY", help="Make one chart, such as daily-views, instead of the report."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write it there, further pages beside it; with - to standard output, of pictures the "
    "first page. By default, among the reports.",
)
@click.option("--json", "as_json", is_flag=True, help="Print path and contents as one JSON object.")
@click.pass_context
def report(
    context: click.Context,
    *,
    channel: str,
    file_format: _Format,
    chart: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """
    Make the report of CHANNEL from its latest analysis, and print its path.

    CHANNEL is an id, a title, or a part of either that no other channel has.
    """
    if as_json and str(output) == _STANDARD_OUTPUT:
        raise click.UsageError("--json and -o - both want standard output: give -o a file")
    if chart is not None and file_format == "json":
        raise click.UsageError("a single chart has no json: leave out --chart, or choose svg")
    run_async(
        _report(context.obj, channel, file_format, chart=chart, output=output, as_json=as_json)
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """A rendering, not yet written."""

    analysis_id: str
    request: Request
    file_format: _Format
    pages: list[bytes]
    summary: ReportSummary | None

    @property
    def chart_key(self) -> str | None:
        return None if self.request.chart is None else self.request.chart.key

    def document(self, paths: list[Path]) -> dict[str, Any]:
        """Return its paths and what it contains."""
        channel = self.request.channel
        return {
            "channel": {"id": channel.id, "title": channel.title},
            "analysis_id": self.analysis_id,
            "chart": self.chart_key,
            "format": self.file_format,
            "path": str(paths[0].absolute()),
            "pages": [str(path.absolute()) for path in paths],
            "bytes": sum(map(len, self.pages)),
            "charts": [one.key for one in self.request.charts],
            "recommendations": len(self.request.recommendations),
        }


async def _report(
    host: Host,
    words: str,
    file_format: _Format,
    *,
    chart: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    host.configure_logs()
    async with host.open_services() as services:
        made = await _make(services, words, file_format, chart)
        if str(output) == _STANDARD_OUTPUT:
            click.echo(made.pages[0], nl=False)
            return
        paths = await _write(services, made, output)
    if as_json:
        print_document(made.document(paths))
        return
    for path in paths:
        echo(str(path))


async def _make(services: Services, words: str, file_format: _Format, chart: str | None) -> _Made:
    """Render the stored analysis; missing charts, and those of older code, are drawn first."""
    from jobs.charts.rendering import gather, render_apart
    from jobs.drawn_charts import drawn_charts

    channel = choose_channel(await services.store.channels.all(), words)
    analysis = await services.store.analyses.latest(channel.id)
    if analysis is None:
        raise click.ClickException(
            f"channel {channel.id} ({channel.title}) is not analysed yet: "
            "run pipeline run SOURCE first"
        )
    await drawn_charts(services.store, analysis, services.run)
    request = await gather(services.store, analysis.id, chart)
    try:
        made = await render_apart(services.run, request, file_format, services.report_paper)
    except OffloadDiedError as error:
        what = "the report" if chart is None else f"the chart {chart}"
        raise click.ClickException(f"{what} cannot be drawn: {error}") from None
    return _Made(analysis.id, request, file_format, made.pages, made.summary)


async def _write(services: Services, made: _Made, output: Path | None) -> list[Path]:
    """Only a file among the reports is recorded as the channel's."""
    from jobs.report_files import file_path, write_pages
    from runner.private_files import share

    if output is not None:
        paths = await asyncio.to_thread(write_pages, output, made.pages)
        for path in paths:
            share(path)
        return paths
    channel_id, key = made.request.channel.id, made.chart_key
    path = file_path(services.reports_dir, channel_id, key, made.file_format)
    paths = await asyncio.to_thread(write_pages, path, made.pages)
    await services.store.renderings.save(
        made.analysis_id, key, made.file_format, path, summary=made.summary
    )
    return paths
