"""Messages reach real mail and HTTP servers; refusals and unconfirmed sends are distinguished."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from jobs.notifications.apprise_sender import AppriseSender
from jobs.notifications.event import Event, Kind
from jobs.notifications.message import compose
from jobs.notifications.sender import NotificationError, UnconfirmedError
from jobs.notifications.webhook_sender import WebhookSender
from tests.unit.notifications.mail_server import MailServer, receiving
from tests.unit.notifications.web_server import answering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EVENT = Event(
    "quiet:UC1",
    Kind.QUIET,
    None,
    "Ünïcode\r\nBcc: all@example.org",
    "No video <b>for</b> 9 days\n*",
)
MESSAGE = compose("m1", [EVENT])
NOBODY_LISTENS = 1


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    """Yield a mail server."""
    async with receiving() as server:
        yield server


async def test_mail_arrives_as_it_was_written(mail: MailServer) -> None:
    """Title and text arrive whatever they contain, and cannot inject headers."""
    await AppriseSender(mail.url()).send(MESSAGE)
    (got,) = mail.mails
    assert got["Subject"] == "Ünïcode Bcc: all@example.org"
    assert (got["To"], got["Bcc"]) == ("ana@example.org", None)
    assert got.get_content().splitlines() == EVENT.body.splitlines()


async def test_refused_mail_is_reported_with_the_servers_words(mail: MailServer) -> None:
    """A recipient unknown to the server certainly got nothing."""
    with pytest.raises(NotificationError, match=r"550.*No such user here") as raised:
        await AppriseSender(mail.url("nobody@example.org")).send(MESSAGE)
    assert not isinstance(raised.value, UnconfirmedError)


async def test_mail_server_that_is_down_may_be_tried_again() -> None:
    """If nothing listens, it was certainly not delivered, to any number of recipients."""
    two = MailServer()
    two.port = NOBODY_LISTENS
    for recipients in ("ana@example.org", "ana@example.org,ben@example.org"):
        with pytest.raises(NotificationError, match="refused") as raised:
            await AppriseSender(two.url(recipients)).send(MESSAGE)
        assert not isinstance(raised.value, UnconfirmedError)


async def test_mail_server_that_does_not_answer_leaves_it_open(mail: MailServer) -> None:
    """If the server has the whole mail but does not answer, it may be delivered."""
    mail.is_stuck = True
    with pytest.raises(UnconfirmedError, match="timed out"):
        await AppriseSender(mail.url(more="&cto=0.5&rto=0.5")).send(MESSAGE)


async def test_one_of_two_recipients_may_have_it(mail: MailServer) -> None:
    """If one of two recipients failed, the message is not sent again."""
    with pytest.raises(UnconfirmedError):
        await AppriseSender(mail.url("ana@example.org,nobody@example.org")).send(MESSAGE)
    assert len(mail.mails) == 1


async def test_secrets_of_a_url_stay_there(mail: MailServer) -> None:
    """No error contains a password."""
    url = mail.url().replace("://", "://ana:hunter2@")
    with pytest.raises(NotificationError) as raised:
        await AppriseSender(url).send(MESSAGE)
    assert "hunter2" not in str(raised.value)


async def test_senders_at_once_tell_their_own_reasons(mail: MailServer) -> None:
    """Apprise has one log for all threads; each sender reports only its own failure."""
    senders = [AppriseSender(mail.url(f"nobody{number}@example.org")) for number in range(4)]
    errors = await asyncio.gather(
        *(sender.send(MESSAGE) for sender in senders), return_exceptions=True
    )
    for number, error in enumerate(errors):
        named = [other for other in range(4) if f"nobody{other}@" in str(error)]
        assert named == [number]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    """A server that takes messages must not send them on into a private network."""
    async with answering() as inner, answering(status) as outer:
        outer.more = f"Location: {inner.url}\r\n"
        with pytest.raises(NotificationError):
            await AppriseSender(outer.url.replace("http://", "json://")).send(MESSAGE)
        assert len(outer.requests) == 1
        assert inner.requests == []


async def test_url_that_apprise_does_not_know_is_an_error() -> None:
    """An unknown service is a configuration error."""
    with pytest.raises(NotificationError, match=r"the foo:// URL is not one that Apprise can use"):
        await AppriseSender("foo://bar").send(MESSAGE)


@pytest.mark.parametrize(
    "url",
    [
        "mailto:me:PW@example.org",
        "mailtos://me:PW@",
        "mailtos://me:P@W#x",
        "tgram://PW",
        "slack://PW/PW",
        "discord://PW",
        "json://:PW@",
        "PW",
    ],
)
async def test_url_that_apprise_cannot_use_is_never_quoted(
    url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither in the error nor in Apprise's own log."""
    log = io.StringIO()
    logging.getLogger().addHandler(handler := logging.StreamHandler(log))
    with pytest.raises(NotificationError) as raised:
        await AppriseSender(url).send(MESSAGE)
    logging.getLogger().removeHandler(handler)
    printed = "".join(capfd.readouterr()) + log.getvalue()
    assert "PW" not in str(raised.value) + printed


@pytest.mark.parametrize("url", ["https://me:PW#1@h/x", "https://h:PW/x", "https://[PW"])
async def test_webhook_whose_address_cannot_be_read_is_never_quoted(url: str) -> None:
    """It is a configuration error, and holds a password somewhere."""
    with pytest.raises(NotificationError, match="cannot be read") as raised:
        await WebhookSender(url).send(MESSAGE)
    assert "PW" not in str(raised.value)


async def test_webhook_gets_json_with_its_key() -> None:
    """The key is in the document and in the Idempotency-Key header."""
    async with answering() as web:
        await WebhookSender(web.url).send(MESSAGE)
    (request,) = web.requests
    document = json.loads(request.body)
    assert document["key"] == request.headers["idempotency-key"] == "quiet:UC1"
    assert document["body"] == EVENT.body
    assert document["events"] == [
        {"key": "quiet:UC1", "kind": "quiet", "title": EVENT.title, "body": EVENT.body}
    ]


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_webhook_that_refuses_may_be_tried_again(status: int) -> None:
    """Any answer other than success is a refusal."""
    async with answering(status) as web:
        with pytest.raises(NotificationError, match=f"answered {status}") as raised:
            await WebhookSender(web.url).send(MESSAGE)
    assert not isinstance(raised.value, UnconfirmedError)


async def test_webhook_that_is_down_may_be_tried_again() -> None:
    """If nothing listens, it was certainly not delivered."""
    with pytest.raises(NotificationError, match="cannot be reached") as raised:
        await WebhookSender(f"http://127.0.0.1:{NOBODY_LISTENS}/hook").send(MESSAGE)
    assert not isinstance(raised.value, UnconfirmedError)


async def test_webhook_that_does_not_answer_leaves_it_open() -> None:
    """If the server has the request but does not answer, it is unconfirmed."""
    async with answering(None) as web:
        with pytest.raises(UnconfirmedError, match="did not answer"):
            await WebhookSender(web.url, timeout_s=0.3).send(MESSAGE)
