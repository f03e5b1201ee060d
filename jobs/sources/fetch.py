"""
Fetch one document by http or https, within limits of time, size and redirects.

Nothing else is ever opened: a redirect to another scheme (`file:`, `ftp:`) is an error.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpx

from jobs.sources.document import MAX_BYTES, Document, unpack
from jobs.sources.source import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADERS: Mapping[str, str] = {
    "User-Agent": "channel-pipeline",
    "Accept": "application/atom+xml, application/rss+xml, text/csv, application/xml, */*;q=0.5",
}
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


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


async def fetch(address: str, limits: FetchLimits | None = None) -> Document:
    """
    Return what is at *address* now; its `fetched_at` is the server's `Date`, or else our clock.

    Raises:
        SourceError: It is no http(s) address, nobody answered in time, the answer was not 200,
            too large, redirected too often, or empty. Transient where trying again may help.
    """
    limits = limits or FetchLimits()
    try:
        async with asyncio.timeout(limits.total_s):
            return await _fetch(address, limits)
    except (httpx.TimeoutException, TimeoutError) as error:
        reason = f"did not answer within {_seconds(error, limits):g} s"
        raise SourceError(address, reason, "Try again later", transient=True) from error
    except httpx.TooManyRedirects as error:
        reason = f"redirects more than {limits.max_redirects} times"
        raise SourceError(address, reason, "Check the address") from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError) as error:
        reason = "is, or redirects to, something other than an http(s) address"
        raise SourceError(address, reason, "Check the address") from error
    except SourceError:
        raise
    except Exception as error:  # httpx lets through what the transport below it raises
        reason = f"cannot be fetched ({str(error) or type(error).__name__})"
        raise SourceError(address, reason, "Check address and network", transient=True) from error


async def _fetch(address: str, limits: FetchLimits) -> Document:
    async with (
        httpx.AsyncClient(
            headers=_HEADERS,
            timeout=limits.timeout_s,
            follow_redirects=True,
            max_redirects=limits.max_redirects,
        ) as client,
        client.stream("GET", address) as response,
    ):
        _refuse_failure(address, response)
        body = await _body(address, response, limits.max_bytes)
    content = await asyncio.to_thread(unpack, BytesIO(body), address, limits.max_bytes)
    name = PurePosixPath(unquote(response.url.path)).name
    return Document(address, name, content, fetched_at=_served_at(response))


async def _body(address: str, response: httpx.Response, max_bytes: int) -> bytes:
    """Counts unpacked bytes as they come; the length that a server promises may be untrue."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            raise SourceError(address, f"is larger than {max_bytes // 2**20} MiB")
    return bytes(body)


def _refuse_failure(address: str, response: httpx.Response) -> None:
    if response.status_code == HTTPStatus.OK:
        return
    transient = response.status_code in _TRANSIENT_STATUS
    reason = f"answered {response.status_code} {response.reason_phrase}".rstrip()
    remedy = "Try again later" if transient else "Check the address"
    raise SourceError(address, reason, remedy, transient=transient)


def _served_at(response: httpx.Response) -> datetime:
    try:
        served_at = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return datetime.now(UTC)
    return served_at.astimezone(UTC) if served_at.tzinfo else served_at.replace(tzinfo=UTC)


def _seconds(error: Exception, limits: FetchLimits) -> float:
    return limits.timeout_s if isinstance(error, httpx.TimeoutException) else limits.total_s
