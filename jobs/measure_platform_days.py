"""Find the days on which a platform's counters were late, or caught up."""

from __future__ import annotations

from jobs.apart import COMPUTING
from jobs.channel.records import Platform
from jobs.computing import platform_days
from jobs.services import Services
from runner import Context, job


@job(queue="analytics")
async def measure_platform_days(ctx: Context) -> int:
    """
    Compare the counters of each platform's channels, day by day.

    Durable afterwards: the days on which most counters were late or caught up. The next analysis
    of a channel takes them out of its unusual days and its forecast.

    Returns how many such days there are.
    """
    store = ctx.get(Services).store
    days = 0
    for platform in Platform:
        read = await store.platform_days.views_read(platform)
        found = await ctx.offload(platform_days, read, limits=COMPUTING) if read else None
        if found is not None:
            await store.platform_days.save(platform, *found)
            days += len(found[1])
    return days
