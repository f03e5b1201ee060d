"""An address of a source without what is secret in it; the store keeps the rest apart."""

from __future__ import annotations

import re

from runner.redaction import is_secret_name

_USER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:(?P<user>[^/?#\s:]*)"
    # A password that was not encoded may hold anything; a port is none.
    r":(?!\d{1,5}(?:[/?#]|$))\S*@|[^/?#\s]*@)",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"(?P<start>[?&](?P<name>[^=&#\s]+)=)[^&#\s]*")


def without_secrets(location: str) -> str:
    """
    Return *location* as it is known and shown: an address keeps its user, and loses its secrets.

    These are its password, a user without a password, which is a token, and parameters such as
    `token=`. An address that is returned stays as it is when it is given again.
    """
    found = _USER.match(location)
    if found is not None:
        user = "" if found["user"] is None else f"{found['user']}:"
        location = f"{found['scheme']}{user}…@{location[found.end() :]}"
    if "://" not in location:
        return location
    return _PARAMETER.sub(
        lambda one: f"{one['start']}…" if is_secret_name(one["name"]) else one[0], location
    )
