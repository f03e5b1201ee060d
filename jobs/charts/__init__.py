"""
Charts and reports: from an analysis to specifications, from those to pictures and pages.

`build_charts` says what to draw, `render` draws one chart, `render_report` makes the page that
goes to a reader. All are CPU-bound and free of I/O: run them in a thread.
"""

from __future__ import annotations

from jobs.charts.build import build_charts
from jobs.charts.chart import Chart
from jobs.charts.render import FORMATS, Format, embedded_svg, render
from jobs.charts.report import Figure, figure, render_report

__all__ = [
    "FORMATS",
    "Chart",
    "Figure",
    "Format",
    "build_charts",
    "embedded_svg",
    "figure",
    "render",
    "render_report",
]
