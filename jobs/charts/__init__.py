"""
Charts and reports: from an analysis to specifications, and from these to pictures and pages.

`build_charts` makes the specifications, `render` draws one chart. `compose` writes a report,
`render_report` makes a file of it, `render_pages` a picture of each page. All are CPU-bound and
free of I/O: run them in a process of their own (`ctx.offload`).

Each name is imported at its first use: pages and lists show what a report says first without
loading what draws it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.lazy_import import lazy_names

if TYPE_CHECKING:
    from jobs.charts.build import build_charts
    from jobs.charts.chart import Chart
    from jobs.charts.chart_file import FORMATS, Format, render
    from jobs.charts.document import Document, compose
    from jobs.charts.drawing import embedded_svg
    from jobs.charts.report import REPORT_FORMATS, ReportFormat, render_pages, render_report

__all__ = [
    "FORMATS",
    "REPORT_FORMATS",
    "Chart",
    "Document",
    "Format",
    "ReportFormat",
    "build_charts",
    "compose",
    "embedded_svg",
    "render",
    "render_pages",
    "render_report",
]

__getattr__ = lazy_names(
    __name__,
    {
        "FORMATS": "chart_file",
        "REPORT_FORMATS": "report",
        "Chart": "chart",
        "Document": "document",
        "Format": "chart_file",
        "ReportFormat": "report",
        "build_charts": "build",
        "compose": "document",
        "embedded_svg": "drawing",
        "render": "chart_file",
        "render_pages": "report",
        "render_report": "report",
    },
)
