"""
The runner's own commands; the application adds its own, and makes one program of both.

They reach the application as `ctx.obj`: a `Host` (host.py).
"""

from __future__ import annotations
