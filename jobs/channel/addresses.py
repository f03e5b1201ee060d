"""An address of a source without what is secret in it; the store keeps the rest apart."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus, urlsplit

from runner.redaction import is_secret_name

_USER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:(?P<user>[^/?#\s:]*)"
    # A password that was not encoded may hold anything; a port is none.
    r":(?!\d{1,5}(?:[/?#]|$)).*@|[^/?#]*@)",
    re.IGNORECASE | re.DOTALL,
)
_PARAMETER = re.compile(r"(?P<start>[?&#](?P<name>[^=&#;]+)=)(?P<value>[^&#]*)")
_AFTER_SEMICOLON = re.compile(r";(?P<name>[^=;]+)=")
_LONGEST = 2048
_KEY_OF_FEED = re.compile(r"((feed|member|rss|subscriber|user)[_-]?)?key", re.IGNORECASE)


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
    return _PARAMETER.sub(_without_secret, location)


def web_address(text: str) -> str | None:
    """Return *text* if it is an http(s) address: no page may link to any other."""
    if len(text) > _LONGEST:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in {"http", "https"} and parts.netloc else None


def _without_secret(parameter: re.Match[str]) -> str:
    start, value = parameter["start"], parameter["value"]
    if _is_secret(parameter["name"]):
        return f"{start}…"
    for one in _AFTER_SEMICOLON.finditer(value):  # some servers separate parameters so
        if _is_secret(one["name"]):
            return f"{start}{value[: one.end()]}…"
    return parameter[0]


def _is_secret(name: str) -> bool:
    plain = unquote_plus(name)
    return is_secret_name(plain) or _KEY_OF_FEED.fullmatch(plain) is not None
