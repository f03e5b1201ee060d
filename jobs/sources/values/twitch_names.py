"""Twitch's names: a login for each channel, in lower case, whatever is shown in its place."""

from __future__ import annotations

import re

PREFIX = "twitch:"

_SHOWN_WITH_LOGIN = re.compile(r".*\(([A-Za-z0-9_]{2,25})\)")
_LOGIN = re.compile(r"[a-z0-9_]{2,25}")


def login(name: str) -> str:
    """Return the login in *name*, which may be shown after another name: `한동숙 (handongsuk)`."""
    shown = _SHOWN_WITH_LOGIN.fullmatch(name)
    return (shown[1] if shown else name).lower()


def channel_url(identity: str) -> str | None:
    """Return the page of the channel `twitch:…`, or None if that is no login."""
    name = identity.removeprefix(PREFIX)
    if not identity.startswith(PREFIX) or _LOGIN.fullmatch(name) is None:
        return None
    return f"https://www.twitch.tv/{name}"
