"""What a clock on the wall showed when items came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.channel.records import ChannelRecord


def zone_of(channel: ChannelRecord) -> str:
    """Return the name of the zone in which the publications of *channel* are told."""
    return channel.time_zone or "UTC"


def local(instants: NDArray[np.datetime64], channel: ChannelRecord) -> NDArray[np.datetime64]:
    """
    Return *instants* of UTC by the clock of *channel*.

    Days without a time of day, which are all at midnight, stay the days that they are.
    """
    if channel.time_zone is None or are_days(instants):
        return instants
    series = pl.Series(instants.astype("datetime64[us]")).dt.replace_time_zone("UTC")
    return series.dt.convert_time_zone(channel.time_zone).dt.replace_time_zone(None).to_numpy()


def are_days(instants: NDArray[np.datetime64]) -> bool:
    """Whether a source gave dates without times: they are all at midnight."""
    return bool(np.all(instants == instants.astype("datetime64[D]")))
