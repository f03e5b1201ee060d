"""
The runner's own commands, put together with the application's by its composition root.

They find what they work with as `ctx.obj`: a `Host` (host.py), which the application provides.
"""

from __future__ import annotations
