"""Find out which channels of the store are similar."""

from __future__ import annotations

from jobs.apart import COMPUTING
from jobs.computing import nearest
from jobs.services import Services
from runner import Context, job


@job(queue="recommendations", timeout_s=1800)
async def compare_channels(ctx: Context) -> int:
    """
    Compare the profiles of all channels, if any changed since the last comparison.

    Durable afterwards: for each channel with a profile, the most similar channels. `recommend`
    makes the profiles and reads the results; it never compares channels itself.

    Returns how many channels were compared.
    """
    store = ctx.get(Services).store
    if not await store.profiles.changed():
        return 0
    found = await ctx.offload(nearest, await store.profiles.all(), limits=COMPUTING)
    await store.profiles.save_similar(found)
    return len(found)
