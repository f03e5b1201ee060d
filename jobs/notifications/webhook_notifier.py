"""Notifications as JSON, posted to one address."""

from __future__ import annotations

from jobs.notifications.notifier import NotificationError

_TIMEOUT_S = 10.0


class WebhookNotifier:
    """
    Posts `{"key": …, "title": …, "body": …}` to *url*.

    The key is sent as the header `Idempotency-Key` too: a job runs at least once, so a receiver
    may see a notification twice, and knows it by its key.
    """

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._url = url
        self._timeout_s = timeout_s

    async def send(self, *, key: str, title: str, body: str) -> None:
        """
        Post it.

        Raises:
            NotificationError: The address did not answer with success in time.
        """
        import httpx

        message = {"key": key, "title": title, "body": body}
        try:
            async with httpx.AsyncClient(timeout=self._timeout_s) as client:
                answer = await client.post(
                    self._url, json=message, headers={"Idempotency-Key": key}
                )
                answer.raise_for_status()
        except httpx.HTTPError as error:
            host = httpx.URL(self._url).host
            raise NotificationError(
                f"notification {key} was not delivered to {host}: {type(error).__name__}: {error}"
            ) from error
