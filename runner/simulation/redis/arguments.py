"""What arguments say: integers, floats, ranges, patterns; and how scores are written."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from runner.simulation.redis.reply import ReplyError
from runner.simulation.redis.sorted_set import Bound

if TYPE_CHECKING:
    from collections.abc import Sequence

SYNTAX = ReplyError("ERR syntax error")
NOT_INTEGER = ReplyError("ERR value is not an integer or out of range")
NOT_FLOAT = ReplyError("ERR value is not a valid float")
NOT_A_BOUND = ReplyError("ERR min or max is not a float")

INT_MAX: Final = 2**63 - 1
INT_MIN: Final = -(2**63)
_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_FLOAT = re.compile(rb"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_HEX = re.compile(rb"[-+]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)([pP][-+]?[0-9]+)?")
_INFINITE = re.compile(rb"([-+]?)inf(inity)?", re.IGNORECASE)
_SURELY_FITS: Final = 19
"""Digits of an integer that fits only if it is small enough."""
_ZERO: Final = ord("0")
_WHOLE_BELOW: Final = 1e17


def integer(text: bytes, error: ReplyError = NOT_INTEGER) -> int:
    """
    Return a signed integer of 64 bits.

    Raises:
        ReplyError: *error*; it is none, or none in the form in which Redis writes integers.
    """
    if text.isdigit() and len(text) < _SURELY_FITS and text[0] != _ZERO:
        return int(text)
    if _INTEGER.fullmatch(text):
        value = int(text)
        if INT_MIN <= value <= INT_MAX:
            return value
    raise error


def real(text: bytes, error: ReplyError = NOT_FLOAT) -> float:
    """
    Return a float, as C reads one; infinity is one, too.

    Raises:
        ReplyError: *error*; it is none.
    """
    if _FLOAT.fullmatch(text):
        value = float(text)
    elif found := _INFINITE.fullmatch(text):
        value = -math.inf if found[1] == b"-" else math.inf
    elif _HEX.fullmatch(text):
        value = float.fromhex(text.decode())
    else:
        raise error
    return value


def bound(text: bytes) -> Bound:
    """
    Return an end of a range of scores; a parenthesis before it excludes the score itself.

    Raises:
        ReplyError: It is none.
    """
    exclusive = text.startswith(b"(")
    number = text[1:] if exclusive else text
    # C's strtod skips blanks, and reads nothing as 0.
    return Bound(real(number.lstrip(b" \t\n\v\f\r"), NOT_A_BOUND) if number else 0.0, exclusive)


def part(start: int, stop: int, length: int) -> tuple[int, int]:
    """Return the slice that Redis means by two inclusive indexes, negative ones from the end."""
    if start < 0:
        start = max(0, start + length)
    if stop < 0:
        stop += length
    return start, max(start, min(stop + 1, length))


def pairs(items: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Return items two by two."""
    return list(zip(items[::2], items[1::2], strict=True))


def plain_score(score: float) -> bytes:
    """Write a score as Redis 6.2 and 7.0 do: with 17 digits."""
    return b"%.17g" % score


def shortest_score(score: float) -> bytes:
    """Write a score as Redis since 7.2 does: the shortest text that reads back."""
    if not math.isfinite(score):
        return b"%g" % score
    if score == int(score) and abs(score) < INT_MAX / 2:
        return b"%d" % score
    sign, digits, exponent = _decimal(score)
    point = exponent + len(digits)
    magnitude = abs(point - 1)
    if exponent >= 0 and magnitude < len(digits) + 7:
        text = digits + "0" * exponent
    elif exponent < 0 and (exponent > -7 or magnitude < 4):  # noqa: PLR2004 -- so Redis chooses
        text = f"{digits[:point]}.{digits[point:]}" if point > 0 else f"0.{'0' * -point}{digits}"
    else:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{fraction}e{'-' if point < 1 else '+'}{magnitude}"
    return (sign + text).encode()


def _decimal(number: float) -> tuple[str, str, int]:
    """Return the sign, the shortest digits, and the power of ten of the last one."""
    mantissa, _, power = f"{number!r}e0".partition("e")
    exponent = int(power.removesuffix("e0"))
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    kept = digits.rstrip("0")
    return sign, kept, exponent - len(fraction) + len(digits) - len(kept)


def lua_number(number: float, *, shortest: bool) -> bytes:
    """Write a number that a script gives to a command."""
    if isinstance(number, int):
        return b"%d" % number if abs(number) < _WHOLE_BELOW or shortest else b"%.17g" % number
    return shortest_score(number) if shortest else plain_score(number)


@lru_cache(maxsize=256)
def glob(pattern: bytes) -> re.Pattern[bytes]:
    """Return the expression for a pattern of keys or fields: `*`, `?`, `[…]`, escapes."""
    at, expression = 0, []
    while at < len(pattern):
        one = pattern[at : at + 1]
        at += 1
        if one == b"*":
            expression.append(b".*")
        elif one == b"?":
            expression.append(b".")
        elif one == b"[":
            text, at = _one_of(pattern, at)
            expression.append(text)
        elif one == b"\\" and at < len(pattern):
            expression.append(re.escape(pattern[at : at + 1]))
            at += 1
        else:
            expression.append(re.escape(one))
    return re.compile(b"".join(expression), re.DOTALL)


def _one_of(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Return the expression for the letters after a bracket, and where they end."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    allowed: set[int] = set()
    while at < len(pattern) and pattern[at : at + 1] != b"]":
        if pattern[at : at + 1] == b"\\" and at + 1 < len(pattern):
            allowed.add(pattern[at + 1])
            at += 2
        elif pattern[at + 1 : at + 2] == b"-" and at + 2 < len(pattern):
            first, last = sorted((pattern[at], pattern[at + 2]))
            allowed.update(range(first, last + 1))
            at += 3
        else:
            allowed.add(pattern[at])
            at += 1
    letters = b"".join(re.escape(bytes([letter])) for letter in sorted(allowed))
    if not letters:
        return (b"." if negated else b"(?!)"), at + 1
    return b"[" + b"^" * negated + letters + b"]", at + 1
