"""Secrets are found by their shape, in time that grows with the text."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from runner.redaction import REDACTED, hiding, redacted, scrubbed
from tests.unit.runner.redaction.shapes import BY_THEMSELVES, CANARY, HARMLESS, TEXTS, VALUES


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("around", ["{}", "it failed: {}", "Error({!r})", "{}\nand then"])
def test_secret_in_a_text_is_replaced(text: str, around: str) -> None:
    """Whatever it is named by, and wherever it stands."""
    shown = scrubbed(around.format(text))
    assert CANARY not in shown
    assert REDACTED in shown


@pytest.mark.parametrize("text", BY_THEMSELVES)
def test_secret_of_a_known_format_is_replaced(text: str) -> None:
    """Keys and tokens of well-known services need no name."""
    shown = scrubbed(f"it failed with {text}")
    assert text[-8:] not in shown
    assert REDACTED in shown


@pytest.mark.parametrize("values", VALUES)
def test_secret_among_values_is_replaced(values: dict[str, object]) -> None:
    """In a mapping, a list of pairs, a command, a record of name and value, or a text."""
    assert CANARY not in repr(redacted(values))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    """A report that hides everything is of no use."""
    assert scrubbed(text) == text


HOSTILE = """
a|"|\\|\\"|password="|<aa>|name='aa' |aa=|a@|http://|http://a:|a:b|--password |eyJaaaaaaaaa.
/services/Taaaaaa|-----BEGIN PRIVATE KEY-----|Bearer |AUTH | |1|name="token" |password=(|Basic a
password=[|sk-|11111111:|x:/|token, |'token',|%3D
pwd of |password for a |password a1|jdbc:oracle:a:|BasicAuth(|mot de passe :|token →|pass\\u003d
mysql -x |redis-cli |ldapaaa|docker login |basic auth a |aa(a|aa(1|password: !a |zip -P
""".strip("\n")


@pytest.mark.parametrize(
    "unit",
    [*HOSTILE.replace("\n", "|").split("|"), "aa\n  ", "pwd\n", "pwd: |\n  ", "aa\n input_value="],
)
def test_hostile_text_takes_time_by_its_length(unit: str) -> None:
    """Nothing is read again and again: if it were, these would take minutes, and the test fail."""
    for text in (
        unit * (100_000 // len(unit)),
        f"a@{unit * (90_000 // len(unit))}",
        f"{unit * 9_000}@",
    ):
        assert len(scrubbed(text)) <= 10 * len(text)


def test_long_text_is_cut_in_its_middle() -> None:
    """What it begins and ends with says most."""
    shown = scrubbed("a" * 10**6 + "b")
    assert len(shown) < 110_000
    assert shown.endswith("ab")


def test_known_value_is_replaced_however_it_is_written() -> None:
    """A value that is known to be secret needs no name and no shape."""
    value = "pä ss'\"\\w/ord"
    ways = [value, repr(value), json.dumps(value), quote(value), quote_plus(value)]
    ways.append(base64.b64encode(value.encode()).decode())
    with hiding([value]):
        for way in ways:
            shown = scrubbed(f"it was {way}!")
            assert shown.replace("=", "").replace("'", "").replace('"', "") == f"it was {REDACTED}!"
    assert scrubbed(f"it was {value}!") != f"it was {REDACTED}!"


def test_short_values_are_left() -> None:
    """A PIN of three digits would be found in half of all numbers."""
    with hiding(["123", ""]):
        assert scrubbed("12345 jobs") == "12345 jobs"


def test_each_line_of_a_key_is_known() -> None:
    """An error may quote one line of a private key."""
    with hiding(["-----BEGIN-----\nMIIEowIBAAKCAQEAxyz\nabcdefghijklmnopqr\n"]):
        assert scrubbed("bad line 'MIIEowIBAAKCAQEAxyz'") == f"bad line '{REDACTED}'"
