"""Redis keys: arq's own layout, and one table of all keys."""

from __future__ import annotations

import re

import arq.constants
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.broker import keys, scripts
from runner.errors import ConfigurationError


def test_keys_are_those_of_arq_where_arq_has_them() -> None:
    """Stock clients and workers find our jobs under arq's own names."""
    assert arq.constants.job_key_prefix == keys.ARQ.job_prefix
    assert arq.constants.in_progress_key_prefix == keys.ARQ.in_progress_prefix
    assert arq.constants.result_key_prefix == keys.ARQ.result_prefix
    assert arq.constants.retry_key_prefix == keys.ARQ.retry_prefix
    assert arq.constants.abort_jobs_ss == keys.ARQ.abort


@given(st.text(min_size=1).filter(lambda name: not name.startswith(("/", keys.ARQ.queue_prefix))))
def test_keys_of_a_queue_lead_back_to_its_name(name: str) -> None:
    """A queue's name and its key convert into each other."""
    assert keys.ARQ.queue_of(keys.ARQ.queue_key(name)) == name
    assert keys.ARQ.queue_key(keys.ARQ.queue_key(name)) == keys.ARQ.queue_key(name)


@given(st.text(min_size=1) | st.text().map(lambda name: keys.ARQ.queue_prefix + name))
def test_any_key_has_a_name_that_leads_to_it(key: str) -> None:
    """The queues of stock arq have names here, whatever their keys; `/` starts a whole key."""
    assert keys.ARQ.queue_key(keys.ARQ.queue_of(key)) == key


def test_queue_of_stock_arq_has_a_name() -> None:
    """arq's own default is a whole key."""
    assert keys.ARQ.queue_of(arq.constants.default_queue_name) == "/arq:queue"
    assert keys.ARQ.queue_key("/arq:queue") == arq.constants.default_queue_name


def test_keys_in_the_scripts_are_in_the_table() -> None:
    """The docstring's table has every key that a script names, and how long it lives."""
    table = keys.__doc__ or ""
    for script in scripts.SCRIPTS.values():
        text = script.text()
        for prefix in re.findall(r"(?:base|KEYS\[2\]) \.\. '([a-z:-]+?):?'", text):
            assert f"`arq:{prefix}" in table, prefix
        for suffix in re.findall(r"queue \.\. '(:[a-z]+)'", text):
            assert f"`arq:queue:<queue>{suffix}`" in table, suffix


@pytest.mark.parametrize("base", ["arq:", "shop:", "a.b-c_9:"])
def test_each_key_of_an_application_begins_with_its_base(base: str) -> None:
    """The names behind the base are the same for all, and no two of them are equal."""
    own = keys.Keys(base)
    named = {name: value for name, value in vars(own).items() if isinstance(value, str)}
    bare = {name: value for name, value in vars(keys.BARE).items() if isinstance(value, str)}

    assert {name: own.bare(value) for name, value in named.items()} == bare
    assert all(value.startswith(base) for value in named.values())
    assert len(set(named.values())) == len(named)
    assert own.queue_key("mail") == f"{base}queue:mail"


@given(st.from_regex(r"[A-Za-z0-9._-]{1,50}", fullmatch=True))
def test_queue_under_a_prefix_has_a_name(name: str) -> None:
    """It is the same as without one, and stock arq's way to write it is understood."""
    own = keys.with_prefix("shop:")
    key = own.queue_key(name)

    assert key == f"shop:queue:{name}"
    assert own.queue_of(key) == name
    assert own.queue_key(f"arq:queue:{name}") == key


def test_whole_key_outside_the_prefix_is_refused() -> None:
    """It would be another application's, or stock arq's; one inside is a queue."""
    own = keys.with_prefix("shop:")

    assert own.queue_key("/shop:list") == "shop:list"
    for outside in ("/arq:queue", "/shop", "/shop2:list"):
        with pytest.raises(ConfigurationError, match="lies outside the prefix 'shop:'"):
            own.queue_key(outside)


def test_no_prefix_is_that_of_stock_arq() -> None:
    """A plain client, and one without a prefix, share its keys."""
    assert keys.with_prefix("") is keys.ARQ
    assert keys.of(object()) is keys.ARQ
    assert keys.ARQ.prefix == ""
    assert keys.with_prefix("shop:").prefix == "shop:"
    assert keys.with_prefix("shop:") == keys.Keys("shop:")
    assert len({keys.with_prefix("shop:"), keys.Keys("shop:"), keys.ARQ}) == 2


@pytest.mark.parametrize(
    "given",
    [
        *("shop", ":", "shop::", "shop:eu:", "arq:x:", "-shop:", "s\u00f6p:", "x" * 101 + ":"),
        *("{shop}:", "sh*p:", "sh?p:", "[shop]:", "shop :", " shop:", "shop:\n"),
        *(3, None, b"shop:"),
    ],
)
def test_prefix_that_cannot_be_one_is_refused(given: object) -> None:
    """No prefix begins with another's, and none has a meaning to SCAN or a cluster."""
    problem = keys.prefix_problem("prefix", given)

    assert problem is not None
    assert "and a colon at its end, such as 'shop:'" in problem
    assert "\n" not in problem


def test_prefix_of_stock_arq_is_refused() -> None:
    """There is one way to share its keys: no prefix."""
    with pytest.raises(ConfigurationError, match="leave it out"):
        keys.with_prefix("arq:")
