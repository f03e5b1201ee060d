"""
Fetch one document by http or https, within limits of time, size and redirects.

A redirect to any other scheme (`file:`, `ftp:`) is an error, and so is one into a private network,
unless that is allowed (see `runner.egress`).
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpx

from jobs import apart
from jobs.sources.document import MAX_BYTES, Document, Unpacked, UnpacksTooFarError, unpack
from jobs.sources.guard import read_apart
from jobs.sources.source import SourceError
from runner.egress.client import NotPublicError, egress_client
from runner.wording import size

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADERS: Mapping[str, str] = {
    "User-Agent": "channel-pipeline",
    "Accept": "application/atom+xml, application/rss+xml, text/csv, application/xml, */*;q=0.5",
    "Accept-Encoding": "gzip",
}
_PRIVATE_REMEDY = "Set ALLOW_PRIVATE_ADDRESSES=true if that is intended"
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_S = 86_400.0
_CONDITIONS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """
    How long, how much and how far. *timeout_s* bounds each wait, *total_s* the whole fetch.

    *max_bytes* counts what arrives and what it unpacks to, each on its own.
    """

    timeout_s: float = 20.0
    total_s: float = 120.0
    max_bytes: int = MAX_BYTES
    max_redirects: int = 5


class NotModified(Exception):  # noqa: N818 -- a signal, not an error
    """The document is still the one that the validators came with."""


async def fetch(
    address: str,
    limits: FetchLimits | None = None,
    *,
    validators: Mapping[str, str] | None = None,
    allow_private: bool = False,
    run: apart.Run = apart.in_thread,
) -> Document:
    """
    Return what is at *address* now; its `fetched_at` is the server's `Date`, or else our clock.

    What it sends is unpacked by *run*.

    validators: those of the document that the caller has (`Document.validators`), so that the
    server need not send it again.

    Raises:
        SourceError: It is no http(s) address, no server answered in time, the answer was not 200,
            too large, redirected too often or into a private network, or empty. Transient where
            trying again may help.
        NotModified: It is still the document of the *validators*.
    """
    limits = limits or FetchLimits()
    try:
        async with asyncio.timeout(limits.total_s):
            return await _fetch(
                address, limits, validators or {}, allow_private=allow_private, run=run
            )
    except (httpx.TimeoutException, TimeoutError) as error:
        reason = f"did not answer within {_seconds(error, limits):g} s"
        raise SourceError(address, reason, "Try again later", transient=True) from error
    except httpx.TooManyRedirects as error:
        reason = f"redirects more than {limits.max_redirects} times"
        raise SourceError(address, reason, "Check the address") from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError) as error:
        reason = "is, or redirects to, something other than an http(s) address"
        raise SourceError(address, reason, "Check the address") from error
    except NotPublicError as error:
        raise SourceError(address, str(error), _PRIVATE_REMEDY) from error
    except (SourceError, NotModified):
        raise
    except Exception as error:  # httpx does not catch all that its transport raises
        reason = f"cannot be fetched ({str(error) or type(error).__name__})"
        raise SourceError(address, reason, "Check address and network", transient=True) from error


async def _fetch(
    address: str,
    limits: FetchLimits,
    validators: Mapping[str, str],
    *,
    allow_private: bool,
    run: apart.Run,
) -> Document:
    conditions = {_CONDITIONS[name]: value for name, value in validators.items()}
    async with (
        egress_client(
            allow_private=allow_private,
            headers={**_HEADERS, **conditions},
            timeout=limits.timeout_s,
            follow_redirects=True,
            max_redirects=limits.max_redirects,
        ) as client,
        client.stream("GET", address) as response,
    ):
        if response.status_code == HTTPStatus.NOT_MODIFIED and conditions:
            raise NotModified
        _refuse_failure(address, response)
        body = await read_body(response, address, limits.max_bytes)
    encoding = response.headers.get("content-encoding", "")
    content = await read_apart(
        run, address, len(body), _content, body, encoding, address, limits.max_bytes
    )
    name = PurePosixPath(unquote(response.url.path)).name
    known_by = {name: response.headers[name] for name in _CONDITIONS if name in response.headers}
    return Document(address, name, content, fetched_at=_served_at(response), validators=known_by)


async def read_body(response: httpx.Response, address: str, max_bytes: int) -> bytes:
    """
    Read a body as it arrives, packed or not; the length that a server announces may be wrong.

    Raises:
        SourceError: It is larger than *max_bytes*.
    """
    packed = bytearray()
    async for chunk in response.aiter_raw():
        packed += chunk
        if len(packed) > max_bytes:
            raise _too_large(address, max_bytes)
    return bytes(packed)


def _content(body: bytes, encoding: str, address: str, max_bytes: int) -> bytes:
    return unpack(BytesIO(unpacked(address, body, encoding, max_bytes)), address, max_bytes)


def unpacked(address: str, packed: bytes, encoding: str, max_bytes: int) -> bytes:
    """
    Undo the one packing that was asked for, up to *max_bytes*.

    httpx would undo any that the answer names, packings of packings too: a kilobyte becomes a
    gigabyte before its size can be checked.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"} or not packed:
        return packed
    if encoding not in {"gzip", "x-gzip"}:
        raise SourceError(address, f"is packed as '{encoding[:20]}', which was not asked for")
    try:
        content = Unpacked(BytesIO(packed)).read(max_bytes + 1)
    except EOFError as error:
        reason = "is cut off on its way"
        raise SourceError(address, reason, "Try again later", transient=True) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(address, f"is damaged on its way ({error})", transient=True) from error
    except UnpacksTooFarError as error:
        raise error.at(address) from error
    if len(content) > max_bytes:
        raise _too_large(address, max_bytes)
    return content


def _too_large(address: str, max_bytes: int) -> SourceError:
    return SourceError(address, f"is larger than {size(max_bytes)}")


def _refuse_failure(address: str, response: httpx.Response) -> None:
    if response.status_code == HTTPStatus.OK:
        return
    transient = response.status_code in _TRANSIENT_STATUS
    reason = f"answered {response.status_code} {response.reason_phrase}".rstrip()
    remedy = "Try again later" if transient else "Check the address"
    wait_s = retry_after_s(response) if transient else None
    raise SourceError(address, reason, remedy, transient=transient, retry_after_s=wait_s)


def retry_after_s(response: httpx.Response) -> float | None:
    """
    Read how long a server asks us to wait: seconds or a date (RFC 9110, 10.2.3), a day at most.

    None if it does not ask, or nobody can read it.
    """
    wait = response.headers.get("retry-after", "").strip()
    if wait.isascii() and wait.isdecimal():
        return min(_LONGEST_WAIT_S, float(wait))
    until = _date(wait)
    if until is None:
        return None
    return min(_LONGEST_WAIT_S, max(0.0, (until - _served_at(response)).total_seconds()))


def _served_at(response: httpx.Response) -> datetime:
    return _date(response.headers.get("date", "")) or datetime.now(UTC)


def _date(text: str) -> datetime | None:
    """Return the time that a header names, in UTC; None if nobody can read it."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _seconds(error: Exception, limits: FetchLimits) -> float:
    return limits.timeout_s if isinstance(error, httpx.TimeoutException) else limits.total_s
