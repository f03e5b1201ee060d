"""
The lists of the YouTube Data API v3, read with a key: one call, its quota, its errors.

The key is sent in a header and is nowhere else: in no address, log line, error or row.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

from jobs.sources.fetch import read_body, retry_after_s, unpacked
from jobs.sources.source import SourceError
from jobs.sources.youtube.errors import Trouble, read_refusal
from jobs.sources.youtube.quota import Quota
from runner.egress.client import egress_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping

    from jobs.sources.youtube.errors import Refusal
    from jobs.sources.youtube.quota import QuotaLedger

DEFAULT_URL = "https://www.googleapis.com/youtube/v3"
PAGE_SIZE = 50
"""The most that a page of a list holds, and that one call can ask for by id."""

UNITS_OF_A_LIST = 1
"""https://developers.google.com/youtube/v3/determine_quota_cost, for every list used here."""

_ATTEMPTS = 4
_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 30.0
_TIMEOUT_S = 20.0
_MOST_BYTES = 8 * 1024 * 1024
"""Of an answer: fifty videos with all their texts are less than one of them."""

_KEY_HEADER = "X-Goog-Api-Key"
_KEY_REMEDY = "Check YOUTUBE_API_KEY, and that the YouTube Data API v3 is enabled for it"


class NotFoundError(SourceError):
    """There is nothing with the id that was asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: *items* as JSON, its *etag*, and the *next_token* of the page after it."""

    items: list[dict[str, Any]]
    etag: str | None
    next_token: str | None


def account_of(key: str) -> str:
    """Return a name for the account of *key* that does not reveal it, to count by."""
    return f"youtube:{hashlib.sha256(key.encode()).hexdigest()[:8]}"


class _Key(httpx.Auth):
    """Adds the key to a request as it is sent, so that no variable in a traceback has it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[_KEY_HEADER] = self._key
        yield request


@asynccontextmanager
async def open_youtube_api(
    key: str, ledger: QuotaLedger, *, units_per_day: int, url: str = DEFAULT_URL
) -> AsyncIterator[YoutubeApi]:
    """Open the API with *key*, to spend at most *units_per_day* of its account."""
    quota = Quota(ledger, account_of(key), units_per_day)
    client = egress_client(allow_private=True, auth=_Key(key), timeout=_TIMEOUT_S)
    async with client:
        yield YoutubeApi(client, key, quota, url)


@dataclass(frozen=True, slots=True, eq=False)
class YoutubeApi:
    """
    Reads lists by *client*, which adds the *key*, and spends *quota*.

    The key is kept so that it can be removed from YouTube's messages. Tests replace *sleep* and
    *spread*.
    """

    client: httpx.AsyncClient
    key: str = field(repr=False)
    quota: Quota
    url: str = DEFAULT_URL
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    spread: Callable[[], float] = random.random

    async def list(
        self,
        resource: str,
        parameters: Mapping[str, str],
        *,
        location: str,
        etag: str | None = None,
    ) -> Page | None:
        """
        Read one page of *resource*; None if it is still the one of *etag*, which costs the same.

        Each attempt is counted before it is made. A call that came too fast, or failed on
        YouTube's side, is tried again with growing, random delays, or when the answer says.

        Raises:
            QuotaError: The quota of the day is used up, by our count or by YouTube's.
            NotFoundError: It does not exist.
            SourceError: Anything else; transient if it may work later.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            await self.quota.spend(UNITS_OF_A_LIST, location)
            try:
                response = await self._get(resource, parameters, etag, location)
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                problem, wait_s = f"cannot be reached ({reason})", None
            else:
                if response.status_code == HTTPStatus.NOT_MODIFIED and etag:
                    return None
                if response.is_success:
                    return self._page(response, location)
                refusal = read_refusal(response.status_code, self._redacted(response.content))
                if refusal.trouble is not Trouble.WAIT:
                    raise await self._error(refusal, location)
                problem, wait_s = refusal.text, retry_after_s(response)
            delay_s = self._delay_s(attempt) if wait_s is None else wait_s
            if attempt == _ATTEMPTS or delay_s > _LONGEST_DELAY_S:
                break
            await self.sleep(delay_s)
        raise SourceError(
            location,
            f"YouTube {problem}",
            "Try again later",
            transient=True,
            retry_after_s=wait_s,
        )

    async def _get(
        self, resource: str, parameters: Mapping[str, str], etag: str | None, location: str
    ) -> httpx.Response:
        async with self.client.stream(
            "GET",
            f"{self.url.rstrip('/')}/{resource}",
            params=dict(parameters),
            headers={"Accept-Encoding": "gzip"} | ({"If-None-Match": etag} if etag else {}),
        ) as response:
            packed = await read_body(response, location, _MOST_BYTES)
        encoding = response.headers.pop("content-encoding", "")
        body = unpacked(location, packed, encoding, _MOST_BYTES)
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    def _page(self, response: httpx.Response, location: str) -> Page:
        try:
            document = json.loads(response.content or b"null")
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            reason = f"YouTube answered {response.status_code} with something other than JSON"
            raise SourceError(location, reason, "Try again later", transient=True)
        items = document.get("items")
        token = document.get("nextPageToken")
        return Page(
            items=[one for one in items if isinstance(one, dict)]
            if isinstance(items, list)
            else [],
            etag=response.headers.get("etag") or document.get("etag"),
            next_token=token if isinstance(token, str) and token else None,
        )

    async def _error(self, refusal: Refusal, location: str) -> SourceError:
        text = f"YouTube {refusal.text}"
        match refusal.trouble:
            case Trouble.DAY_IS_OVER:
                return await self.quota.is_over(location, text)
            case Trouble.NOT_FOUND:
                return NotFoundError(location, text, "Check the name")
            case Trouble.KEY:
                return SourceError(location, text, _KEY_REMEDY)
            case _:
                return SourceError(location, text)

    def _delay_s(self, attempt: int) -> float:
        """Doubling, times a random half to one: callers that met a limit together spread out."""
        return min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** (attempt - 1)) * (
            0.5 + self.spread() / 2
        )

    def _redacted(self, body: bytes) -> bytes:
        """Remove the key: YouTube's messages sometimes quote it."""
        return body.replace(self.key.encode(), "…".encode())
