"""
The options of a Redis address: what its URL has behind a `?`, by redis-py's names.

Each is honoured, or refused by its name. None is ever ignored: whoever writes `ssl_cert_reqs=none`
must not get a check, and whoever writes `ssl_ca_certs` must not go without one.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable


class WrongOption(Exception):  # noqa: N818 -- its message is the end of a sentence
    """Which option cannot be honoured, and why; never its value."""


def read_options(
    query: str, *, secured: bool, clustered: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a URL's options say: by arq's names, and what arq has no name for."""
    given = parse_qsl(query, keep_blank_values=True)
    found: dict[str, Any] = {}
    for name, text in given:
        read = _OPTIONS.get(name)
        if read is None:
            raise WrongOption(
                f"the option {_shown_name(name)}, which is not honoured: delete it; "
                f"honoured are {', '.join(_OPTIONS)}"
            )
        if name in found:
            raise WrongOption(f"the option {name!r} twice: keep one")
        if name.startswith("ssl_") and not secured:
            raise WrongOption(f"the option {name!r}, but no TLS: write rediss://, or delete it")
        if name == "slot" and not clustered:
            raise WrongOption("the option 'slot', which only a cluster has: delete it")
        try:
            found[name] = read(text)
        except ValueError as error:
            raise WrongOption(f"the option {name!r}, {error}") from None
    _refuse_halves(found)
    settings = {_ARQ_NAMES.get(name, name): value for name, value in found.items()}
    beyond_arq = {name: settings.pop(name) for name in _BEYOND_ARQ if name in settings}
    return settings, beyond_arq


def _refuse_halves(found: dict[str, Any]) -> None:
    """Refuse options that nothing would come of without another one."""
    for one, other in (("ssl_certfile", "ssl_keyfile"), ("ssl_keyfile", "ssl_certfile")):
        if one in found and other not in found:
            raise WrongOption(f"the option {one!r}, which needs {other!r}, too: add it")
    if found.get("ssl_check_hostname") and found.get("ssl_cert_reqs", "required") != "required":
        raise WrongOption("the option 'ssl_check_hostname', which needs ssl_cert_reqs=required")
    if "ssl_certfile" in found:
        try:
            _context().load_cert_chain(found["ssl_certfile"], found["ssl_keyfile"], password="")
        except (OSError, ValueError):
            raise WrongOption(
                "the options 'ssl_certfile' and 'ssl_keyfile', which name no certificate and its "
                "key in PEM, without a passphrase"
            ) from None


def _shown_name(name: str) -> str:
    """An option's name; but what looks like none may be a part of a password."""
    return repr(name) if _NAME.fullmatch(name) else "that is no name of one"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:9])):
        raise ValueError("which is no number from 1")
    return int(text[:9])


def _protocol(text: str) -> int:
    if text not in {"2", "3"}:
        raise ValueError("which is neither 2 nor 3")
    return int(text)


def _truth(text: str) -> bool:
    if text.lower() not in {"true", "yes", "1", "false", "no", "0"}:
        raise ValueError("which is neither true nor false")
    return text.lower() in {"true", "yes", "1"}


def _requirement(text: str) -> str:
    kind = text.lower().removeprefix("cert_")  # some write the constants of Python's ssl
    if kind not in {"none", "optional", "required"}:
        raise ValueError("which is none of none, optional and required")
    return kind


def _slot(text: str) -> str:
    if not _SLOT.fullmatch(text):
        raise ValueError("which is no word of letters, digits, '-', '_', '.' and '~'")
    return text


def _file(text: str) -> str:
    try:
        with Path(text).open("rb"):
            return text
    except OSError as error:
        raise ValueError(f"whose file cannot be read ({error.strerror}): name another") from None


def _authorities(text: str) -> str:
    try:
        _context().load_verify_locations(cafile=_file(text))
    except ssl.SSLError:
        raise ValueError("whose file holds no certificate in PEM") from None
    return text


def _authorities_data(text: str) -> str:
    try:
        _context().load_verify_locations(cadata=text)
    except ssl.SSLError:
        raise ValueError("which holds no certificate in PEM") from None
    return text


def _version(text: str) -> ssl.TLSVersion:
    versions = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
    if text not in versions:
        raise ValueError("which is neither TLSv1.2 nor TLSv1.3")
    return versions[text]


def _ciphers(text: str) -> str:
    try:
        _context().set_ciphers(text)
    except ssl.SSLError:
        raise ValueError("which names no cipher that OpenSSL has here") from None
    return text


def _context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def database_number(text: str) -> int:
    """
    Return the number of a database.

    Raises:
        ValueError: It is none.
    """
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("which is no number from 0")
    return int(text[:9])


_SLOT = re.compile(r"[A-Za-z0-9._~-]{1,100}")
_NAME = re.compile(r"[a-z][a-z_]{0,40}")

_OPTIONS: dict[str, Callable[[str], Any]] = {
    "db": database_number,
    "max_connections": _number,
    "protocol": _protocol,
    "slot": _slot,
    "ssl_cert_reqs": _requirement,
    "ssl_check_hostname": _truth,
    "ssl_ca_certs": _authorities,
    "ssl_ca_data": _authorities_data,
    "ssl_certfile": _file,
    "ssl_keyfile": _file,
    "ssl_min_version": _version,
    "ssl_ciphers": _ciphers,
}
_ARQ_NAMES = {"db": "database"}
_BEYOND_ARQ = ("protocol", "ssl_min_version", "ssl_ciphers")
