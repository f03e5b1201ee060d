"""The whole analysis of one channel: every question asked, each answered or declined in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis.cadence import Cadence, cadence
from jobs.analysis.coverage import Coverage, coverage
from jobs.analysis.engagement import Engagement, engagement
from jobs.analysis.forecast import Forecast, forecast
from jobs.analysis.growth import Growth, growth
from jobs.analysis.items import Items, items
from jobs.analysis.section import Missing
from jobs.records import Platform

if TYPE_CHECKING:
    from jobs.channel_data import ChannelData


class ChannelAnalysis(BaseModel):
    """
    What the data says of a channel. Same data, same analysis, to the last digit.

    Each section is there (`section.present`) or a `Missing` with the reason. `model_dump(
    mode="json")` gives the stored document, `model_validate` reads it back. *version* goes up
    when a section's meaning changes; *fingerprint* is that of the data analysed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    channel_id: str
    title: str
    platform: Platform
    generated: bool
    fingerprint: str
    coverage: Annotated[Coverage | Missing, Field(discriminator="present")]
    growth: Annotated[Growth | Missing, Field(discriminator="present")]
    cadence: Annotated[Cadence | Missing, Field(discriminator="present")]
    engagement: Annotated[Engagement | Missing, Field(discriminator="present")]
    items: Annotated[Items | Missing, Field(discriminator="present")]
    forecast: Annotated[Forecast | Missing, Field(discriminator="present")]


def analyze(data: ChannelData) -> ChannelAnalysis:
    """
    Answer every question about the channel of *data*. CPU-bound, a few milliseconds.

    Data without a single row is no error: every section then says what it would have needed.
    """
    return ChannelAnalysis(
        channel_id=data.channel.id,
        title=data.channel.title,
        platform=data.channel.platform,
        generated=data.channel.generated,
        fingerprint=data.fingerprint,
        coverage=coverage(data),
        growth=growth(data),
        cadence=cadence(data),
        engagement=engagement(data),
        items=items(data),
        forecast=forecast(data),
    )
