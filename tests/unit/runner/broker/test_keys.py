"""Redis keys: arq's own layout, and one table of all keys."""

from __future__ import annotations

import re

import arq.constants
from hypothesis import given
from hypothesis import strategies as st

from runner.broker import keys, scripts


def test_keys_are_those_of_arq_where_arq_has_them() -> None:
    """Stock clients and workers find our jobs under arq's own names."""
    assert arq.constants.job_key_prefix == keys.JOB_PREFIX
    assert arq.constants.in_progress_key_prefix == keys.IN_PROGRESS_PREFIX
    assert arq.constants.result_key_prefix == keys.RESULT_PREFIX
    assert arq.constants.retry_key_prefix == keys.RETRY_PREFIX
    assert arq.constants.abort_jobs_ss == keys.ABORT


@given(st.text(min_size=1).filter(lambda name: not name.startswith(("/", keys.QUEUE_PREFIX))))
def test_keys_of_a_queue_lead_back_to_its_name(name: str) -> None:
    """A queue's name and its key convert into each other."""
    assert keys.queue_of(keys.queue_key(name)) == name
    assert keys.queue_key(keys.queue_key(name)) == keys.queue_key(name)


@given(st.text(min_size=1) | st.text().map(lambda name: keys.QUEUE_PREFIX + name))
def test_any_key_has_a_name_that_leads_to_it(key: str) -> None:
    """The queues of stock arq have names here, whatever their keys; `/` starts a whole key."""
    assert keys.queue_key(keys.queue_of(key)) == key


def test_queue_of_stock_arq_has_a_name() -> None:
    """arq's own default is a whole key."""
    assert keys.queue_of(arq.constants.default_queue_name) == "/arq:queue"
    assert keys.queue_key("/arq:queue") == arq.constants.default_queue_name


def test_keys_in_the_scripts_are_in_the_table() -> None:
    """The docstring's table has every key that a script names, and how long it lives."""
    table = keys.__doc__ or ""
    for script in scripts.SCRIPTS.values():
        text = script.text()
        for prefix in re.findall(r"'(arq:[a-z:-]+?):?'", text):
            assert f"`{prefix}" in table, prefix
        for suffix in re.findall(r"queue \.\. '(:[a-z]+)'", text):
            assert f"`arq:queue:<queue>{suffix}`" in table, suffix


def test_keys_of_the_module_are_in_the_table() -> None:
    """The table leaves out no key that is used."""
    table = keys.__doc__ or ""
    for name, value in vars(keys).items():
        if name.endswith(("_PREFIX", "_SUFFIX")) or name in {"ABORT", "TICKS", "POLLER"}:
            assert str(value) in table, name
