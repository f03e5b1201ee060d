"""Replies, and the bytes that commands and replies are on a connection (RESP2)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from hiredis import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator


class Status(bytes):
    """A reply such as OK: to a client bytes, to a script a table with the field `ok`."""

    __slots__ = ()


class ReplyError(Exception):
    """
    An error reply: raised by the command, answered by the server.

    text: what the client receives; its first word is the error's code.
    """

    def __init__(self, text: str | bytes) -> None:
        self.text = text.encode() if isinstance(text, str) else text
        super().__init__(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReplyError) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class Special(Enum):
    """Replies that no other type stands for."""

    NIL_ARRAY = "no array"
    """To a client as None, but of another form: a BLPOP in vain, an EXEC that was refused."""
    BLOCKED = "no reply yet"
    """No reply: the session waits, and the server delivers the reply to it later."""


NIL_ARRAY: Final = Special.NIL_ARRAY
BLOCKED: Final = Special.BLOCKED
OK: Final = Status(b"OK")

Reply: TypeAlias = (
    bytes | int | list["Reply"] | ReplyError | Literal[Special.NIL_ARRAY, Special.BLOCKED] | None
)


def encode(reply: Reply) -> bytes:
    """
    Return *reply* as a server sends it.

    Raises:
        TypeError: There is no reply yet (BLOCKED), or it is none.
    """
    if type(reply) is bytes:
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    if isinstance(reply, list):
        return b"*%d\r\n%b" % (len(reply), b"".join(map(encode, reply)))
    if isinstance(reply, int):
        line = b":%d" % reply
    elif isinstance(reply, Status):
        line = b"+" + reply
    elif isinstance(reply, ReplyError):
        line = b"-" + reply.text.rstrip(b"\r\n").replace(b"\r", b" ").replace(b"\n", b" ")
    elif reply is None or reply is NIL_ARRAY:
        line = b"$-1" if reply is None else b"*-1"
    else:
        raise TypeError(f"a reply cannot be {reply!r}")
    return line + b"\r\n"


class CommandReader:
    """The commands in the bytes that a client sends, in pieces of any size."""

    def __init__(self) -> None:
        self._reader = Reader()

    def feed(self, data: bytes) -> None:
        """Add bytes that arrived."""
        self._reader.feed(data)

    def commands(self) -> Iterator[list[bytes]]:
        """
        Yield each complete command once; each when asked for, so that a caller may stop between.

        Raises:
            hiredis.ProtocolError: The bytes are no RESP: a server closes the connection.
        """
        while command := self._reader.gets():
            yield command
