"""The Lua scripts: every transition of a job is one of them. Each file states what it keeps."""

from __future__ import annotations

from importlib.resources import files

_HERE = files(__name__)

ENQUEUE = (_HERE / "enqueue.lua").read_text("utf-8")
CLAIM = (_HERE / "claim.lua").read_text("utf-8")
START = (_HERE / "start.lua").read_text("utf-8")
SETTLE = (_HERE / "settle.lua").read_text("utf-8")
RENEW = (_HERE / "renew.lua").read_text("utf-8")
ADMIN = (_HERE / "admin.lua").read_text("utf-8")
COUNT = (_HERE / "count.lua").read_text("utf-8")
LAST_ENTRIES = (_HERE / "last_entries.lua").read_text("utf-8")
