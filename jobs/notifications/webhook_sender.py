"""Post notifications as JSON to one address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.notifications.sender import NotificationError, UnconfirmedError

if TYPE_CHECKING:
    from jobs.notifications.message import Message

_TIMEOUT_S = 10.0


class WebhookSender:
    """
    Posts `{"key": …, "title": …, "body": …, "events": [{"key", "kind", "title", "body"}, …]}`.

    The key is also sent as the header `Idempotency-Key`, so that the receiver recognises a message
    that an operator has sent again although it had arrived.
    """

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._url = url
        self._timeout_s = timeout_s

    async def send(self, message: Message) -> None:
        """
        Post *message*.

        Raises:
            UnconfirmedError: The message was sent, but no answer came.
            NotificationError: The address could not be reached, or refused the message.
        """
        import httpx

        from runner.egress.client import egress_client, web_address

        address = web_address(self._url)
        if address is None:
            reason = "the webhook's address cannot be read: write it as https://HOST/PATH"
            raise NotificationError(reason)
        host = address.host
        headers = {"Idempotency-Key": message.key}
        try:
            async with (
                # The operator chose the address, so it may be private; it is not led elsewhere.
                egress_client(allow_private=True, timeout=self._timeout_s) as client,
                # The status is all that counts: a body of any length is left unread.
                client.stream(
                    "POST", self._url, json=_document(message), headers=headers
                ) as answer,
            ):
                pass
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotificationError(f"{host} cannot be reached: {_reason(error)}") from error
        except httpx.HTTPError as error:
            raise UnconfirmedError(f"{host} did not answer: {_reason(error)}") from error
        if not answer.is_success:
            raise NotificationError(f"{host} answered {answer.status_code} {answer.reason_phrase}")


def _document(message: Message) -> dict[str, object]:
    return {
        "key": message.key,
        "title": message.title,
        "body": message.body,
        "events": [
            {"key": one.key, "kind": one.kind, "title": one.title, "body": one.body}
            for one in message.events
        ],
    }


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
