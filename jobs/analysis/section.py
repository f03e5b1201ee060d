"""Base classes of an analysis's sections: each is there, or says why it is not."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """An answered question. `present` distinguishes it from `Missing`, in JSON as in code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    present: Literal[True] = True


class Missing(BaseModel):
    """A question the data cannot answer; *reason* is a sentence for the reader of the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    present: Literal[False] = False
    reason: str


SUCCESSES_ONLY = Missing(
    reason="The source lists items only while they do well: how often the channel publishes, what "
    "its other items reach, and what does better cannot be told from such a list."
)
"""The answer to questions about ordinary items if the `ChannelRecord` is `successes_only`."""
