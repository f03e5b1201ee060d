"""The commands about channels, put together with the runner's own by `settings.command`."""

from __future__ import annotations
