"""One call of the YouTube Data API: counted, retried where that helps, with errors in one line."""

from __future__ import annotations

import gzip
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jobs.sources.source import SourceError
from jobs.sources.youtube.api import NotFoundError, account_of
from jobs.sources.youtube.errors import Trouble, read_refusal
from jobs.sources.youtube.quota import QuotaError
from tests.real_data import data_path
from tests.unit.sources.conftest import KEY
from tests.unit.sources.youtube.youtube_server import Fault

if TYPE_CHECKING:
    from jobs.sources.youtube.api import Page, YoutubeApi
    from tests.unit.sources.youtube.ledger import MemoryLedger
    from tests.unit.sources.youtube.youtube_server import YoutubeServer

UC = "UC0000000000000000000000"
HERE = f"youtube:{UC}"


async def _ask(api: YoutubeApi, etag: str | None = None) -> Page | None:
    return await api.list("channels", {"part": "id", "id": UC}, location=HERE, etag=etag)


def _error(reason: str, message: str = "No.", status: int = 403) -> Fault:
    error = {"code": status, "message": message, "errors": [{"reason": reason}]}
    return Fault(status, json.dumps({"error": error}).encode())


async def test_page_is_read_and_one_unit_counted(
    api: YoutubeApi, youtube: YoutubeServer, ledger: MemoryLedger
) -> None:
    """A list gives its items and its ETag."""
    youtube.add_channel(UC)
    page = await _ask(api)
    assert page is not None
    assert [item["id"] for item in page.items] == [UC]
    assert page.etag
    assert page.next_token is None
    assert ledger.total == 1


async def test_unchanged_page_is_none(api: YoutubeApi, youtube: YoutubeServer) -> None:
    """With the ETag of an earlier answer, the same page is not sent again."""
    youtube.add_channel(UC)
    page = await _ask(api)
    assert page is not None
    assert await _ask(api, page.etag) is None
    youtube.add_channel(UC, subscribers=2)
    assert await _ask(api, page.etag) is not None


async def test_unknown_id_is_an_empty_list(api: YoutubeApi) -> None:
    """The API answers 200 with no items; the caller decides what that means."""
    page = await _ask(api)
    assert page is not None
    assert page.items == []


async def test_key_is_sent_in_a_header_only(
    api: YoutubeApi, youtube: YoutubeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """No address, log line, error, variable on the stack or account name shows the key."""
    caplog.set_level(logging.DEBUG)
    quoting = _error("keyInvalid", f"API key {KEY} not valid. Please pass a valid API key.", 400)
    youtube.faults.append(quoting)
    with pytest.raises(SourceError, match="API key … not valid") as error:
        await _ask(api)
    assert "Check YOUTUBE_API_KEY" in str(error.value)
    [asked] = youtube.asked
    assert asked.headers["x-goog-api-key"] == KEY
    frames = [repr(frame.frame.f_locals) for frame in error.traceback[1:]]
    for text in (asked.line, caplog.text, str(error.value), repr(api), account_of(KEY), *frames):
        assert KEY not in text
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(503, b"<html>busy</html>"),
        Fault(429),
        _error("rateLimitExceeded"),
        _error("userRateLimitExceeded"),
        _error("SERVICE_UNAVAILABLE"),
    ],
)
async def test_transient_error_is_tried_again(
    api: YoutubeApi, youtube: YoutubeServer, ledger: MemoryLedger, fault: Fault
) -> None:
    """A call that came too fast or failed on YouTube's side is repeated; each attempt counts."""
    youtube.add_channel(UC)
    youtube.faults.extend([fault, fault])
    page = await _ask(api)
    assert page is not None
    assert page.items
    assert ledger.total == 3


async def test_delays_double_unless_the_answer_says_when(
    api: YoutubeApi, youtube: YoutubeServer
) -> None:
    """Backoff with jitter, and Retry-After where there is one."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    youtube.faults.extend([Fault(503), Fault(503, headers={"Retry-After": "7"}), Fault(503)])
    await _ask(replace(api, sleep=note))
    assert waits == [1.0, 7.0, 4.0]
    waits.clear()
    youtube.faults.append(Fault(503))
    await _ask(replace(api, sleep=note, spread=lambda: 0.0))
    assert waits == [0.5]


async def test_long_wait_is_left_to_the_caller(api: YoutubeApi, youtube: YoutubeServer) -> None:
    """A wait of ten minutes becomes the job's delay, and holds no worker."""
    youtube.faults.append(Fault(429, headers={"Retry-After": "600"}))
    with pytest.raises(SourceError, match="answered 429") as error:
        await _ask(api)
    assert (error.value.transient, error.value.retry_after_s) == (True, 600.0)
    assert len(youtube.asked) == 1


async def test_error_that_stays_is_raised(api: YoutubeApi, youtube: YoutubeServer) -> None:
    """After four attempts it is a transient error."""
    youtube.faults.extend([Fault(500)] * 9)
    with pytest.raises(SourceError, match="YouTube answered 500") as error:
        await _ask(api)
    assert error.value.transient
    assert len(youtube.asked) == 4


async def test_refused_connection_is_transient(api: YoutubeApi, unused_tcp_port: int) -> None:
    """A refused connection may be tried again later."""
    with pytest.raises(SourceError, match="YouTube cannot be reached") as error:
        await _ask(replace(api, url=f"http://127.0.0.1:{unused_tcp_port}"))
    assert error.value.transient


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html></html>", b"[" * 100_000])
async def test_answer_that_is_not_json_is_transient(
    api: YoutubeApi, youtube: YoutubeServer, body: bytes
) -> None:
    """A captive portal's page is not a channel without items."""
    youtube.faults.append(Fault(200, body))
    with pytest.raises(SourceError, match="something other than JSON") as error:
        await _ask(api)
    assert error.value.transient


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_answer_of_any_size_is_refused_in_time(
    api: YoutubeApi, youtube: YoutubeServer, status: int
) -> None:
    """What stands at the address of the API may send without end."""
    endless = b" " * (9 * 1024 * 1024)
    youtube.faults.append(Fault(status, endless))
    youtube.faults.append(Fault(status, gzip.compress(endless), {"Content-Encoding": "gzip"}))
    for _ in range(2):
        with pytest.raises(SourceError, match="is larger than 8"):
            await _ask(api)


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_refusal_of_any_depth_is_a_refusal(
    api: YoutubeApi, youtube: YoutubeServer, status: int
) -> None:
    """What cannot be read is told by its status."""
    youtube.faults.append(Fault(status, b'{"error":' + b"[" * 100_000))
    with pytest.raises(SourceError, match=f"answered {status}"):
        await _ask(api)


async def test_quota_exceeded_ends_the_day_for_all(api: YoutubeApi, youtube: YoutubeServer) -> None:
    """A 403 quotaExceeded is not tried again, and no call is made any more that day."""
    youtube.faults.append(Fault(403, _recorded("403_quotaExceeded.json")))
    with pytest.raises(QuotaError, match="exceeded your quota") as error:
        await _ask(api)
    assert "<a href" not in str(error.value)
    with pytest.raises(QuotaError, match="quota of 100 units"):
        await _ask(api)
    assert len(youtube.asked) == 1


async def test_own_budget_is_never_passed(api: YoutubeApi, youtube: YoutubeServer) -> None:
    """The call after the last unit is not made."""
    youtube.add_channel(UC)
    for _ in range(100):
        await _ask(api)
    with pytest.raises(QuotaError, match=r"quota of 100 units for .* is used up"):
        await _ask(api)
    assert len(youtube.asked) == 100


async def test_not_found_is_an_error_of_its_own(api: YoutubeApi, youtube: YoutubeServer) -> None:
    """A missing playlist is not the same error as a wrong key."""
    youtube.faults.append(Fault(404, _recorded("404_playlistNotFound.json")))
    with pytest.raises(NotFoundError, match="playlistId parameter cannot be found"):
        await _ask(api)


@pytest.mark.parametrize(
    ("file", "status", "trouble"),
    [
        ("error_bodies_from_issues/400_keyInvalid.json", 400, Trouble.KEY),
        ("error_bodies_from_issues/403_quotaExceeded.json", 403, Trouble.DAY_IS_OVER),
        ("error_bodies_from_issues/404_playlistNotFound.json", 404, Trouble.NOT_FOUND),
        ("error_bodies_from_issues/429_rateLimitExceeded.json", 429, Trouble.DAY_IS_OVER),
        ("python-youtube_apidata/error_permission_resp.json", 403, Trouble.WAIT),
        ("python-youtube_apidata/error_response.json", 400, Trouble.KEY),
        ("python-youtube_apidata/error_response_simple.json", 400, Trouble.OTHER),
    ],
)
def test_recorded_errors_are_understood(file: str, status: int, trouble: Trouble) -> None:
    """Both layouts, a bare string, and a day's limit sent as "too many requests"."""
    refusal = read_refusal(status, data_path("youtube_api", file).read_bytes())
    assert refusal.trouble is trouble
    assert "\n" not in refusal.text
    assert "<" not in refusal.text


@pytest.mark.parametrize(
    ("reasons", "trouble"),
    [
        (("badRequest", "API_KEY_INVALID"), Trouble.KEY),
        (("badRequest", "API_KEY_SERVICE_BLOCKED"), Trouble.KEY),
        (("accessNotConfigured", "SERVICE_DISABLED"), Trouble.KEY),
        (("badRequest", ""), Trouble.OTHER),
        (("rateLimitExceeded", "RATE_LIMIT_EXCEEDED"), Trouble.WAIT),
    ],
)
def test_details_say_what_a_reason_leaves_open(reasons: tuple[str, str], trouble: Trouble) -> None:
    """The newer layout says `badRequest` for a wrong key and for a wrong parameter alike."""
    error = {"errors": [{"reason": reasons[0]}], "details": [{"reason": reasons[1]}]}
    assert read_refusal(400, json.dumps({"error": error}).encode()).trouble is trouble


def test_every_recorded_error_is_one_line() -> None:
    """All error recordings give a status and a reason, none a traceback."""
    for path in sorted(data_path("youtube_api", "yt_cassettes", "errors").iterdir()):
        response = json.loads(path.read_text())["response"]
        body = response["body"]
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        refusal = read_refusal(response["status"], content)
        assert refusal.text.startswith(f"answered {response['status']} (")
        assert refusal.trouble is not Trouble.DAY_IS_OVER


@pytest.mark.parametrize("body", [b"", b"null", b"<html>no</html>", b'{"error": null}', b"[1]"])
def test_error_without_a_readable_body_has_its_status(body: bytes) -> None:
    """Nothing is assumed of an error's body."""
    assert read_refusal(403, body).text == "answered 403"
    assert read_refusal(502, body).trouble is Trouble.WAIT


def _recorded(name: str) -> bytes:
    return data_path("youtube_api", "error_bodies_from_issues", name).read_bytes()
