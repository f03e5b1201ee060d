"""Write the results as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_OPENING = """\
Sync, analysis, forecast and recommendations of every channel, through all queues (`pipeline run
--no-reports`: private Redis with its append-only file on, SQLite), and the same functions in a
plain loop: one process reads, one process per core computes, nothing is stored. Made by
`make bench-channels`; raw figures in [channels.json](channels.json). Times are those of whole
commands, including the start of Python and the imports."""
_PART = "**A part of the channels: too short to be quoted.**"
_MEMORY = """\
Memory is the peak of all processes together, including Redis (PSS, sampled every quarter of a
second). CPU time is that of all processes together."""
_COSTS = "CPU milliseconds per channel in the plain loop:"


def as_markdown(results: Sequence[Mapping[str, Any]], machine: Mapping[str, str]) -> str:
    """Return the results as tables."""
    lines = ["# Channels through the pipeline", "", _OPENING, ""]
    if any(one["part"] for one in results):
        lines += [_PART, ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    for one in results:
        lines += ["", f"## {one['name']}", "", *_times(one), "", *_costs(one), "", *_charts(one)]
    return "\n".join([*lines, "", _MEMORY, ""])


def _times(one: Mapping[str, Any]) -> Iterator[str]:
    yield "| | channels | seconds | channels/s | CPU s | peak MiB | largest process MiB |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for title, key in (("pipeline", "pipeline"), ("plain loop", "plain")):
        ran = one[key]
        yield (
            f"| {title} | {one['channels']:,} | {ran['seconds']:.1f} "
            f"| {one['channels'] / ran['seconds']:.1f} | {ran['cpu_s']:.1f} "
            f"| {ran['peak_mib']:.0f} | {ran['largest_mib']:.0f} |"
        )
    pipeline, plain = one["pipeline"], one["plain"]
    yield (
        f"| **ratio** | | **{pipeline['seconds'] / plain['seconds']:.2f}** | "
        f"| {pipeline['cpu_s'] / plain['cpu_s']:.2f} | | |"
    )


def _costs(one: Mapping[str, Any]) -> Iterator[str]:
    costs = one["plain"]["printed"]
    yield _COSTS
    yield ""
    yield "| reading | analysis with forecast | recommendations | opening the file, once |"
    yield "|--:|--:|--:|--:|"
    cells = [costs[name] / costs["channels"] for name in ("read_s", "analysis_s")]
    cells += [costs["recommendations_s"] / costs["channels"], costs["open_s"]]
    yield "| " + " | ".join(f"{seconds * 1000:.2f}" for seconds in cells) + " |"


def _charts(one: Mapping[str, Any]) -> Iterator[str]:
    charts = one["charts"]
    if not charts.get("charts"):
        yield "Nothing to draw."
        return
    count, build_s, render_s = charts["charts"], charts["build_s"], charts["render_s"]
    yield (
        f"Charts, in one process: {count / build_s:.0f} specifications per second, "
        f"{count / render_s:.1f} pictures (SVG) per second."
    )
