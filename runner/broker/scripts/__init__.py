"""
The Lua scripts: each transition of a job is one of them. Each file states the invariant it keeps.

The positions of arguments in a script's text come from `fields`, so they cannot differ from
Python's.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any, Final, NamedTuple

from runner.broker.keys import ASIDE_MOST, ASIDE_TTL_S, BATCH_LOOK_S, FAR_MS, FLOW_STEP, WAKE_TOKENS
from runner.broker.scripts import fields

_HERE = files(__name__)
_COMMENT_OR_INDENT = re.compile(r"^ *(?:--.*)?", re.MULTILINE)
_PADDING = "|" + "-" * 40
"""
Ends the mark of a claim.

It is this long for Redis: with one value of more than 64 bytes a hash is stored as a table, not as
a list that each look-up scans. With a hundred jobs held, that saves an eighth of Redis's time.
"""

_CRASHES_KEPT_MS = 3 * 86_400 * 1000
_REVOKED_MS = 3_600_000
"""Longer than any network holds a message back."""

_CONSTANTS = {
    "WAKE_TOKENS": str(WAKE_TOKENS),
    "PADDING": f"'{_PADDING}'",
    "CRASHES_KEPT_MS": str(_CRASHES_KEPT_MS),
    "REVOKED_MS": str(_REVOKED_MS),
    "ASIDE_MOST": str(ASIDE_MOST),
    "BATCH_LOOK_MS": str(BATCH_LOOK_S * 1000),
    "FLOW_STEP": str(FLOW_STEP),
    "FAR": str(FAR_MS),
    "ASIDE_KEPT_MS": str(ASIDE_TTL_S * 1000),
}
_PLACE = re.compile(rf"\b[A-Z_]+\.[a-z_]+\b|\b(?:{'|'.join(_CONSTANTS)})\b")


class Script(NamedTuple):
    """
    A script's file and its fields: the head, and blocks by the names that the script uses.

    begins_with: the files of functions that it uses.
    """

    file: str
    head: type[Any] | None = None
    blocks: dict[str, type[Any]] = {}  # noqa: RUF012 -- never written to
    replies: dict[str, type[Any]] = {}  # noqa: RUF012 -- likewise
    begins_with: tuple[str, ...] = ()

    def text(self) -> str:
        """
        Return the Lua text, with the position of each field in place of its name.

        Without its comments, since some calls send the text; its lines keep their numbers.

        Raises:
            KeyError: The script names a field that is not declared.
        """
        places: dict[str, int | str] = {**_CONSTANTS}
        if self.head is not None:
            places |= _places("HEAD", self.head, first=1)
        for name, block in (self.blocks | self.replies).items():
            places |= _places(name, block, first=0)
        source = "".join(
            (_HERE / file).read_text("utf-8") for file in (*self.begins_with, self.file)
        )
        bare = _COMMENT_OR_INDENT.sub("", source)
        return _PLACE.sub(lambda found: str(places[found[0]]), bare)


def _places(name: str, block: type[Any], *, first: int) -> dict[str, int]:
    names = block._fields
    return {f"{name}.{field}": at for at, field in enumerate(names, first)} | {
        f"{name}.size": len(names)
    }


SCRIPTS: Final = {
    "enqueue": Script(
        "enqueue.lua",
        fields.EnqueueHead,
        {"FRESH": fields.FreshJob, "JOB": fields.NewJob},
        begins_with=(
            "fresh.lua",
            "aside.lua",
            "places.lua",
            "ahead.lua",
            "lanes.lua",
            "batches.lua",
            "unique.lua",
            "keys_asked.lua",
            "lane_full.lua",
        ),
    ),
    "claim": Script(
        "claim.lua",
        fields.ClaimHead,
        replies={"REPLY": fields.ClaimReply, "CLAIMED": fields.Claimed, "EXTRA": fields.Extra},
        begins_with=(
            "aside.lua",
            "crashes.lua",
            "late.lua",
            "unstarted.lua",
            "out_of_reach.lua",
            "unseated.lua",
            "places.lua",
            "ahead.lua",
            "lanes.lua",
        ),
    ),
    "recover": Script(
        "recover.lua",
        fields.RecoverHead,
        begins_with=("aside.lua", "crashes.lua", "out_of_reach.lua", "unstarted.lua"),
    ),
    "start": Script("start.lua", fields.StartHead),
    "settle": Script(
        "settle.lua",
        fields.SettleHead,
        {"SHORT": fields.ShortOutcome, "OUTCOME": fields.FullOutcome},
        begins_with=(
            "aside.lua",
            "crashes.lua",
            "death.lua",
            "out_of_reach.lua",
            "unstarted.lua",
            "places.lua",
            "ahead.lua",
            "lanes.lua",
            "batches.lua",
            "flows.lua",
            "unique.lua",
            "gone.lua",
        ),
    ),
    "renew": Script(
        "renew.lua",
        fields.RenewHead,
        {"LEASE": fields.Lease},
        begins_with=("aside.lua", "crashes.lua", "late.lua"),
    ),
    "admin": Script(
        "admin.lua",
        fields.AdminHead,
        {"JOB": fields.AdminJob},
        begins_with=(
            "aside.lua",
            "death.lua",
            "out_of_reach.lua",
            "places.lua",
            "ahead.lua",
            "lanes.lua",
            "batches.lua",
            "flows.lua",
            "unique.lua",
            "gone.lua",
        ),
    ),
    "batch": Script(
        "batch.lua",
        fields.BatchHead,
        {"MEMBER": fields.BatchMember, "NODE": fields.FlowNode},
        begins_with=(
            "aside.lua",
            "places.lua",
            "ahead.lua",
            "lanes.lua",
            "batches.lua",
            "flows.lua",
            "unique.lua",
            "gone.lua",
        ),
    ),
    "release": Script(
        "release.lua",
        fields.ReleaseHead,
        begins_with=("aside.lua", "places.lua", "ahead.lua", "lanes.lua", "unique.lua"),
    ),
    "lane": Script(
        "lane.lua",
        fields.LaneHead,
        begins_with=("aside.lua", "out_of_reach.lua", "places.lua", "ahead.lua", "lanes.lua"),
    ),
    "count": Script(
        "count.lua", fields.CountHead, {"JOB": fields.JobCount}, begins_with=("aside.lua",)
    ),
    "beat": Script(
        "beat.lua", fields.BeatHead, replies={"BEAT": fields.Beat}, begins_with=("aside.lua",)
    ),
    "ended": Script("ended.lua"),
    "unpark": Script("unpark.lua", fields.UnparkHead, begins_with=("aside.lua",)),
    "elect": Script(
        "elect.lua",
        fields.ElectHead,
        replies={"ELECTION": fields.Election},
        begins_with=("aside.lua",),
    ),
    "set_back": Script("set_back.lua", fields.SetBackHead, begins_with=("aside.lua",)),
    "set_aside": Script("set_aside.lua", begins_with=("aside.lua",)),
    "note": Script("note.lua", fields.NoteHead, begins_with=("aside.lua",)),
    "gauges": Script("gauges.lua", replies={"GAUGES": fields.Gauges}, begins_with=("ahead.lua",)),
    "guess": Script("guess.lua", fields.GuessHead),
    "look": Script("look.lua", fields.LookHead),
}

ENQUEUE = SCRIPTS["enqueue"].text()
CLAIM = SCRIPTS["claim"].text()
RECOVER = SCRIPTS["recover"].text()
START = SCRIPTS["start"].text()
SETTLE = SCRIPTS["settle"].text()
RENEW = SCRIPTS["renew"].text()
ADMIN = SCRIPTS["admin"].text()
BATCH = SCRIPTS["batch"].text()
RELEASE = SCRIPTS["release"].text()
LANE = SCRIPTS["lane"].text()
COUNT = SCRIPTS["count"].text()
BEAT = SCRIPTS["beat"].text()
ENDED = SCRIPTS["ended"].text()
UNPARK = SCRIPTS["unpark"].text()
ELECT = SCRIPTS["elect"].text()
SET_BACK = SCRIPTS["set_back"].text()
SET_ASIDE = SCRIPTS["set_aside"].text()
NOTE = SCRIPTS["note"].text()
GAUGES = SCRIPTS["gauges"].text()
GUESS = SCRIPTS["guess"].text()
LOOK = SCRIPTS["look"].text()
