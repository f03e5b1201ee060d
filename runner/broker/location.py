"""Where Redis is: an address, read from a URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from arq.connections import RedisSettings

from runner.broker.address_options import WrongOption, database_number, read_options
from runner.errors import ConfigurationError

CONNECT_TIMEOUT_S = 5.0


_SENTINEL_PORT = 26379

Address = RedisSettings
"""Where a Redis is, in arq's words."""


@dataclass(repr=False)
class RedisLocation(RedisSettings):
    """
    arq's settings, read from a URL.

    shown: that URL, without its password and its options, for messages. beyond_arq: what the URL
    says that arq's settings have no place for, by redis-py's names. cluster: *host* lists nodes of
    a Redis Cluster. slot: names a slot of it; '' for that of the application.
    """

    cluster: bool = False
    slot: str = ""
    shown: str = "redis://localhost:6379"
    beyond_arq: dict[str, Any] = field(default_factory=dict)


def location(url: str) -> RedisLocation:
    """
    Return the settings of a URL: `redis://`, `rediss://` or `unix://`, or one of these.

    Cluster: `redis+cluster://[user:password@]host:port[,host:port…]`, or `rediss+cluster://…`.
    Sentinel: `redis+sentinel://[user:password@]host:port[,host:port…]/service[/database]`.

    Behind a `?` it may have options, by redis-py's names; `address_options` has those there are.

    Raises:
        ConfigurationError: The URL is none of these, or has another option. It is not quoted: what
            cannot be read as an address may hold a password anywhere.
    """
    scheme, mark, rest = url.partition("://")
    read = {
        "redis": _server,
        "rediss": _server,
        "unix": _socket,
        "redis+sentinel": _sentinels,
        "redis+cluster": _cluster,
        "rediss+cluster": _cluster,
    }.get(scheme.lower())
    try:
        if not mark or read is None:
            raise _Unreadable("its scheme is not known")  # noqa: TRY301 -- one place explains all
        return read(scheme.lower(), rest)
    except WrongOption as error:
        raise ConfigurationError(f"REDIS_URL has {error}") from None
    except _Unreadable as error:
        raise ConfigurationError(
            f"REDIS_URL is not a Redis address ({error}): "
            "write it as redis://host:6379/0, rediss://…, unix:///path, redis+sentinel://… or "
            "redis+cluster://…"
        ) from None


def is_same(one: RedisSettings, other: RedisSettings) -> bool:
    """Whether both are one place, however it is written."""
    plain: dict[str, Any] = {"beyond_arq": {}, "cluster": False, "slot": ""}
    first, second = ({**plain, **vars(settings), "shown": ""} for settings in (one, other))
    return first == second


def is_cluster(settings: RedisSettings) -> bool:
    """Whether that is a Redis Cluster."""
    return isinstance(settings, RedisLocation) and settings.cluster


def slot_of(settings: RedisSettings) -> str | None:
    """Return the name of a slot of a Redis Cluster, '' for the application's; else None."""
    if not isinstance(settings, RedisLocation) or not settings.cluster:
        return None
    return settings.slot


def shown(settings: RedisSettings) -> str:
    """Return where that is, without its password."""
    if isinstance(settings, RedisLocation):
        return settings.shown
    return settings.unix_socket_path or f"{settings.host}:{settings.port}"


class _Unreadable(Exception):  # noqa: N818 -- its message is the end of a sentence
    """Why a URL is no address, without any part of it."""


def _server(scheme: str, rest: str) -> RedisLocation:
    parts = _split(rest)
    options, beyond_arq = read_options(parts.query, secured=scheme == "rediss")
    return RedisLocation(
        host=parts.hostname or "localhost",
        port=_port(parts) or 6379,
        **_with_database(options, parts.path.lstrip("/")),
        beyond_arq=beyond_arq,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ssl=scheme == "rediss",
        shown=f"{scheme}://{_shown_user(parts)}{parts.netloc.rpartition('@')[2]}{parts.path}",
    )


def _socket(scheme: str, rest: str) -> RedisLocation:
    parts = _split(rest)
    if not parts.path:
        raise _Unreadable("it has no path")
    options, beyond_arq = read_options(parts.query, secured=False)
    return RedisLocation(
        unix_socket_path=parts.path,
        **_with_database(options, ""),
        beyond_arq=beyond_arq,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        shown=f"{scheme}://{_shown_user(parts)}{parts.path}",
    )


def _cluster(scheme: str, rest: str) -> RedisLocation:
    userinfo, at, rest = rest.rpartition("@")
    username, colon, password = userinfo.partition(":")
    rest, _, query = rest.partition("?")
    addresses, _, path = rest.partition("/")
    options, beyond_arq = read_options(query, secured=scheme == "rediss+cluster", clustered=True)
    slot = options.pop("slot", "")
    if options.pop("database", 0) or _database(path):
        raise _Unreadable("a cluster has the database 0 alone")
    return RedisLocation(
        host=_nodes(addresses, "a node", 6379),
        cluster=True,
        slot=slot,
        ssl=scheme == "rediss+cluster",
        **options,
        beyond_arq=beyond_arq,
        username=unquote(username) or None,
        password=unquote(password) or None,
        shown=f"{scheme}://{username}{':…' * bool(colon)}{at}{addresses}"
        + f"?slot={slot}" * bool(slot),
    )


def _nodes(addresses: str, what: str, port: int) -> list[tuple[str, int]]:
    found = []
    for address in addresses.split(","):
        one = _split(address)
        if not one.hostname:
            raise _Unreadable(f"{what} has no host")
        found.append((one.hostname, _port(one) or port))
    return found


def _sentinels(scheme: str, rest: str) -> RedisLocation:
    userinfo, at, rest = rest.rpartition("@")
    username, colon, password = userinfo.partition(":")
    rest, _, query = rest.partition("?")
    addresses, _, path = rest.partition("/")
    service, _, database = path.partition("/")
    sentinels = _nodes(addresses, "a sentinel", _SENTINEL_PORT)
    if not service:
        raise _Unreadable("it has no service name")
    options, beyond_arq = read_options(query, secured=False)
    return RedisLocation(
        host=sentinels,
        sentinel=True,
        sentinel_master=service,
        **_with_database(options, database),
        beyond_arq=beyond_arq,
        username=unquote(username) or None,
        password=unquote(password) or None,
        shown=f"{scheme}://{username}{':…' * bool(colon)}{at}{addresses}/{path}",
    )


def _with_database(options: dict[str, Any], in_path: str) -> dict[str, Any]:
    """Return *options* with the database, which the path may name, too."""
    database = _database(in_path)
    if in_path and options.setdefault("database", database) != database:
        raise WrongOption("the option 'db', and another database in its path: keep one")
    return options


def _split(rest: str) -> SplitResult:
    try:
        parts = urlsplit(f"//{rest}")
    except ValueError:
        raise _Unreadable("its brackets are no IPv6 address") from None
    if "@" in rest and "@" not in parts.netloc:
        # Without this, half of the password would count as the host, and be shown.
        raise _Unreadable(
            "its password holds a character that has a meaning in URLs: "
            "percent-encode it, / as %2F, ? as %3F, # as %23"
        )
    if parts.fragment:
        raise _Unreadable("it has a #, and nothing may follow it: delete it")
    return parts


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise _Unreadable("its port is no number") from None


def _shown_user(parts: SplitResult) -> str:
    if "@" not in parts.netloc:
        return ""
    return f"{parts.username or ''}{':…' * (parts.password is not None)}@"


def _database(text: str) -> int:
    try:
        return database_number(text) if text else 0
    except ValueError:
        raise _Unreadable("its database is no number from 0") from None
