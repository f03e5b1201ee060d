"""The commands about channels; the application adds them to the runner's own."""

from __future__ import annotations
