"""How many channels a comparison needs. Here, since it is asked where nothing is compared."""

from __future__ import annotations

from typing import Final

FEWEST_CHANNELS: Final = 10
"""With fewer channels, the nearest one need not be similar at all."""
