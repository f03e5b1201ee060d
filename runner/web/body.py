"""The body of a request: read whole before a page sees it, and never more than it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 2000


async def read_body(request: Request, most: int) -> bytes:
    """
    Read the body.

    Raises:
        HTTPException: 413, it has more than *most* bytes.
        ClientDisconnect: The client left.
    """
    too_long = HTTPException(413, f"the body is too long: at most {most:,} bytes are read")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > most:
        raise too_long
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > most:
            raise too_long
        more = message.get("more_body", False)
    return bytes(body)


def read_again(body: bytes, receive: Receive) -> Receive:
    """Give *body* once more, and then what follows it: that the client left."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def check_form(request: Request, body: bytes) -> None:
    """
    Refuse a body that is no form as our pages send it: other kinds may bring files.

    Raises:
        HTTPException: 415, it is of another kind.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != _FORM:
        raise HTTPException(415, f"send the form as {_FORM}")


def form_field(body: bytes, name: str) -> str:
    """
    Read a field of the form in *body*; empty if it is not there.

    Raises:
        HTTPException: 400, it has too many fields.
    """
    try:
        fields = parse_qsl(body.decode("latin-1"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise HTTPException(400, f"a form has at most {_MOST_FIELDS:,} fields") from None
    return next((value for field, value in fields if field == name), "")
