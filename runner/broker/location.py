"""Where Redis is: an address, read from a URL."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from arq.connections import RedisSettings

from runner.errors import ConfigurationError

CONNECT_TIMEOUT_S = 5.0


_SENTINEL_PORT = 26379


@dataclass(repr=False)
class RedisLocation(RedisSettings):
    """arq's settings, read from a URL; `shown` is that URL, without its password, for messages."""

    shown: str = "redis://localhost:6379"


def location(url: str) -> RedisLocation:
    """
    Return the settings of a `redis://`, `rediss://`, `unix://` or `redis+sentinel://` URL.

    Sentinel: `redis+sentinel://[user:password@]host:port[,host:port…]/service[/database]`.

    Raises:
        ConfigurationError: The URL is none of these.
    """
    shown = _without_password(url)
    try:
        parts = urlsplit(url)
        if parts.scheme == "redis+sentinel":
            return _sentinel_location(url, shown)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError(f"scheme {parts.scheme!r}")  # noqa: TRY301 -- one place explains all
        database = parse_qs(parts.query).get("db", [""])[0]
        if not database and parts.scheme != "unix":
            database = parts.path.lstrip("/")
        if parts.scheme == "unix" and not parts.path:
            raise ValueError("no path")  # noqa: TRY301 -- likewise
        return RedisLocation(
            host=parts.hostname or "localhost",
            port=parts.port or 6379,
            unix_socket_path=parts.path if parts.scheme == "unix" else None,
            database=_database(database),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            ssl=parts.scheme == "rediss",
            shown=shown,
        )
    except ValueError as error:
        raise ConfigurationError(
            f"REDIS_URL {shown!r} is not a Redis address ({error}): "
            "write it as redis://host:6379/0, rediss://…, unix:///path or redis+sentinel://…"
        ) from None


def _sentinel_location(url: str, shown: str) -> RedisLocation:
    rest = url.partition("://")[2]
    userinfo, _, rest = rest.rpartition("@")
    username, _, password = userinfo.partition(":")
    addresses, _, path = rest.partition("/")
    service, _, database = path.partition("?")[0].partition("/")
    sentinels = []
    for address in addresses.split(","):
        one = urlsplit(f"//{address}")
        if not one.hostname:
            raise ValueError("a sentinel without a host")
        sentinels.append((one.hostname, one.port or _SENTINEL_PORT))
    if not service:
        raise ValueError("no service name")
    return RedisLocation(
        host=sentinels,
        sentinel=True,
        sentinel_master=service,
        database=_database(database),
        username=unquote(username) or None,
        password=unquote(password) or None,
        shown=shown,
    )


def _database(text: str) -> int:
    number = int(text or 0)
    if number < 0:
        raise ValueError(f"database {number}")
    return number


def _without_password(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    userinfo, at, place = rest.rpartition("@")
    user = userinfo.partition(":")[0]
    return f"{scheme}{mark}{user}{':…' if ':' in userinfo else ''}{at}{place}"
