"""The commands about channels; `settings.command` adds them to the runner's own."""

from __future__ import annotations
