"""Ids are drawn for many jobs at once, and still no two are equal."""

from __future__ import annotations

import os
import re

from runner import chance


def test_no_id_is_given_twice() -> None:
    """Beyond those that are drawn at once, too; each looks as arq's do."""
    found = [chance.new_id() for _ in range(1000)]
    assert len(set(found)) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in found)
    assert re.fullmatch(r"[0-9a-f]{12}", chance.new_id(12))


def test_forked_process_draws_its_own() -> None:
    """What its parent has drawn for later is its parent's."""
    chance.new_id()
    end, start = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(start, chance.new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(end, 32).decode()
    os.close(end)
    os.close(start)
    assert theirs not in {chance.new_id() for _ in range(300)}


def test_replaced_chance_is_asked_for_each() -> None:
    """As a simulation needs it, in which each id is a part of the history."""
    drawn: list[int] = []

    def count(size: int) -> bytes:
        drawn.append(size)
        return bytes(size)

    with chance.replaced(by_spread=lambda: 0.0, by_bytes=count):
        assert chance.new_id() == "0" * 32
    assert drawn == [16]
