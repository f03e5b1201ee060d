"""Find out which channels of the store are similar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.apart import COMPUTING
from jobs.services import Services
from runner import Context, job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.store import StoredProfile


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
    found = await ctx.offload(_nearest, await store.profiles.all(), limits=COMPUTING)
    await store.profiles.save_similar(found)
    return len(found)


def _nearest(stored: Sequence[StoredProfile]) -> dict[str, dict[str, Any]]:
    """Runs in a process of its own, so that only this process loads the numeric libraries."""
    from jobs.recommendations.similar import unpack
    from jobs.recommendations.similar.comparison import nearest

    titles = {one.channel_id: one.title for one in stored}
    found = nearest({one.channel_id: unpack(one.packed) for one in stored})
    return {
        channel_id: {
            "compared": len(found),
            "nearest": [{**each, "title": titles[each["channel_id"]]} for each in own],
        }
        for channel_id, own in found.items()
    }
