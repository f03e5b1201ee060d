"""The jobs: plain functions, which run in threads of the worker."""

from datetime import date

from flask import current_app

from runner import Context, job


@job(queue="reports")
def build_report(ctx: Context, day: date) -> str:
    """Return the report of a day."""
    ctx.progress(0, 1, "reading orders")
    return f"Sales of {day:%d %B %Y}, in {current_app.config['CURRENCY']}"
