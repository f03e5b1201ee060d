"""The jobs."""

from datetime import date

from pydantic import BaseModel

from runner import Context, job


class Report(BaseModel):
    """What a report says."""

    day: date
    title: str


@job(queue="reports")
async def build_report(ctx: Context, day: date) -> Report:
    """Return the report of a day."""
    ctx.progress(0, 1, "reading orders")
    return Report(day=day, title=f"Sales of {day:%d %B %Y}")
