"""
The Lua scripts: each transition of a job is one of them. Each file states the invariant it keeps.

The positions of arguments in a script's text come from `fields`, so they cannot differ from
Python's.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any, Final, NamedTuple

from runner.broker.keys import WAKE_TOKENS
from runner.broker.scripts import fields

_HERE = files(__name__)
_PLACE = re.compile(r"\b[A-Z_]+\.[a-z_]+\b|\bWAKE_TOKENS\b")


class Script(NamedTuple):
    """
    A script's file and its fields: the head, and blocks by the names that the script uses.

    parts: files with functions that come before it, since several scripts share them.
    """

    file: str
    head: type[Any] | None = None
    blocks: dict[str, type[Any]] = {}  # noqa: RUF012 -- never written to
    replies: dict[str, type[Any]] = {}  # noqa: RUF012 -- likewise
    parts: tuple[str, ...] = ()

    def text(self) -> str:
        """
        Return the Lua text, with the position of each field in place of its name.

        Raises:
            KeyError: The script names a field that is not declared.
        """
        places = {"WAKE_TOKENS": WAKE_TOKENS}
        if self.head is not None:
            places |= _places("HEAD", self.head, first=1)
        for name, block in (self.blocks | self.replies).items():
            places |= _places(name, block, first=0)
        files_in_order = (*self.parts, self.file)
        source = "\n".join((_HERE / file).read_text("utf-8") for file in files_in_order)
        return _PLACE.sub(lambda found: str(places[found[0]]), source)


def _places(name: str, block: type[Any], *, first: int) -> dict[str, int]:
    names = block._fields
    return {f"{name}.{field}": at for at, field in enumerate(names, first)} | {
        f"{name}.size": len(names)
    }


_DEATH = ("death.lua",)

SCRIPTS: Final = {
    "enqueue": Script(
        "enqueue.lua", fields.EnqueueHead, {"FRESH": fields.FreshJob, "JOB": fields.NewJob}
    ),
    "claim": Script(
        "claim.lua", fields.ClaimHead, replies={"CLAIMED": fields.Claimed, "EXTRA": fields.Extra}
    ),
    "start": Script("start.lua", fields.StartHead),
    "settle": Script(
        "settle.lua",
        fields.SettleHead,
        {"SHORT": fields.ShortOutcome, "OUTCOME": fields.FullOutcome},
        parts=_DEATH,
    ),
    "renew": Script("renew.lua", fields.RenewHead, {"LEASE": fields.Lease}),
    "admin": Script("admin.lua", fields.AdminHead, {"JOB": fields.AdminJob}, parts=_DEATH),
    "count": Script("count.lua", fields.CountHead, {"JOB": fields.JobCount}),
    "beat": Script("beat.lua", fields.BeatHead, replies={"BEAT": fields.Beat}),
    "ended": Script("ended.lua"),
    "unpark": Script("unpark.lua", fields.UnparkHead),
    "elect": Script("elect.lua", fields.ElectHead, replies={"ELECTION": fields.Election}),
    "set_back": Script("set_back.lua", fields.SetBackHead),
    "gauges": Script("gauges.lua", replies={"GAUGES": fields.Gauges}),
    "last_entries": Script("last_entries.lua"),
}

ENQUEUE = SCRIPTS["enqueue"].text()
CLAIM = SCRIPTS["claim"].text()
START = SCRIPTS["start"].text()
SETTLE = SCRIPTS["settle"].text()
RENEW = SCRIPTS["renew"].text()
ADMIN = SCRIPTS["admin"].text()
COUNT = SCRIPTS["count"].text()
BEAT = SCRIPTS["beat"].text()
ENDED = SCRIPTS["ended"].text()
UNPARK = SCRIPTS["unpark"].text()
ELECT = SCRIPTS["elect"].text()
SET_BACK = SCRIPTS["set_back"].text()
GAUGES = SCRIPTS["gauges"].text()
LAST_ENTRIES = SCRIPTS["last_entries"].text()
