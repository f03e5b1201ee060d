"""The types of keys are those of the table of keys."""

from __future__ import annotations

import re

import pytest

from runner.broker import key_types, keys

_NAMES = {"sorted set": "zset"}
_ROWS = re.findall(r"^\| `(arq:[^`]+)` \| ([a-z ]+) \|", keys.__doc__ or "", re.MULTILINE)
_OF_NO_TYPE = {"arq:aside", "arq:aside-untold", "arq:aside:<ms>:<key>"}
"""What sets keys aside makes room for itself."""

_NOT_SET_ASIDE = {keys.PAUSED_SUFFIX, ":parked:<label>", ":lane:<lane>", ":health-check"}


@pytest.mark.parametrize(("key", "kind"), _ROWS)
def test_type_of_a_key_is_that_of_the_table(key: str, kind: str) -> None:
    """So what is documented is what is set aside, and what is not."""
    _, of_queue, suffix = key.partition("arq:queue:<queue>")
    if key in _OF_NO_TYPE or suffix in _NOT_SET_ASIDE:
        return
    found = key_types.OF_QUEUE.get(suffix) if of_queue else key_types.type_of(keys.ARQ.bare(key))
    assert found == _NAMES.get(kind, kind)


def test_workers_share_what_is_no_single_job() -> None:
    """Each key of a queue, its depth, and those that all queues share."""
    found = dict(key_types.of_workers(keys.ARQ, ["arq:queue:q"]))
    assert found["arq:queue:q:dead"] == "zset"
    assert found[keys.ARQ.depth_prefix + "q"] == "stream"
    bare = {keys.ARQ.bare(key) for key in found}
    assert set(key_types.SHARED) < bare
    assert not set(key_types.OF_OPERATORS) & bare
