"""A real SMTP server on this machine that accepts mail, refuses it, or never answers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from email.message import EmailMessage


class MailServer:
    """Accepts mail for everybody but `nobody@…`; with *is_stuck* it never confirms it."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.is_stuck = False
        self.port = 0

    def url(self, recipient: str = "ana@example.org", more: str = "") -> str:
        """Return the Apprise URL for one recipient."""
        sender = "from=pipeline@example.org"
        return f"mailto://127.0.0.1:{self.port}/?{sender}&to={recipient}{more}"

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        """Refuse mail for `nobody`."""
        if address.startswith("nobody"):
            return "550 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Accept the mail."""
        if self.is_stuck:
            await asyncio.Event().wait()
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@asynccontextmanager
async def receiving() -> AsyncIterator[MailServer]:
    """Run a server on a free port of 127.0.0.1."""
    mail = MailServer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mail, loop=loop), "127.0.0.1", 0)
    mail.port = server.sockets[0].getsockname()[1]
    async with server:
        yield mail
