"""JSON as text: written where a document is made, and stored without parsing it again."""

from __future__ import annotations

import json
from typing import Any

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class JsonText(str):
    """A JSON object, written as `to_json` writes it."""

    __slots__ = ()


def to_json(value: Any) -> str:
    """
    Write *value* as JSON; what is JSON text already stays as it is.

    Raises:
        ValueError: A number is not finite, which JSON cannot express.
    """
    return str(value) if isinstance(value, JsonText) else _encode(value)
