r"""
Ids of jobs as text.

Redis takes any bytes as an id, and stock arq clients pass them on. Bytes that are no UTF-8 are
shown as `\xff`, and what is shown finds the job again.
"""

from __future__ import annotations

import re

_SHOWN_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")


def shown_id(key: bytes | str) -> str:
    """The id as every page and command shows it."""
    return key if isinstance(key, str) else key.decode("utf-8", "backslashreplace")


def keys_of(shown: str) -> list[bytes]:
    """The ids that are shown like this: itself first, and bytes, if it may stand for some."""
    itself = shown.encode("utf-8", "backslashreplace")
    meant = _SHOWN_BYTE.sub(lambda byte: bytes.fromhex(byte[1].decode()), itself)
    return [itself, meant] if meant != itself and shown_id(meant) == shown else [itself]
