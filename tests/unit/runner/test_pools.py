"""Queues with weights, as commands take them, and the shares that they get of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from runner import App, Queue, SlotPool, WorkerSettings
from runner.commands.pools import chosen_queues, planned
from runner.errors import ConfigurationError
from runner.processes.fleet import PoolPlan
from runner.slot_shares import given_by

if TYPE_CHECKING:
    from runner.worker.pool import Share


class Mail(WorkerSettings):
    """It says nothing of its slots."""

    queue = "mail"


class Reports(WorkerSettings):
    """It has a limit of its own."""

    queue = "reports"
    concurrency = 4


class Crowd(WorkerSettings):
    """It has partitions."""

    queue = Queue("crowd", partitions=3)


_PARTS = ["crowd", "crowd~1", "crowd~2"]
_APP = App(workers=[Mail, Reports, Crowd])


def _shares(plan: PoolPlan, **poll: float) -> dict[str, Share]:
    classes = [one for one in _APP.workers if one.queue.partition("~")[0] in plan.weights]
    given = given_by(plan, classes, **{"idle_poll_s": 0.5} | poll)
    return {queue: options["share"] for queue, options in given.items()}


def test_words_name_queues_and_their_weights() -> None:
    """A queue without a weight weighs 1; the order is kept, and partitions go with their queue."""
    words = ["reports:2.5", "crowd", "mail:1"]
    found = chosen_queues(_APP, words)
    assert found == {
        "reports": ["reports"],
        "crowd": _PARTS,
        "mail": ["mail"],
    }
    plan = planned(words, list(found), 9, strict=False)
    assert plan == PoolPlan({"reports": 2.5, "crowd": 1.0, "mail": 1.0}, 9)


def test_without_weights_slots_or_order_there_is_no_pool() -> None:
    """Each queue keeps the slots of its settings class."""
    assert planned(["mail", "reports"], ["mail", "reports"], None, strict=False) is None


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "", "x", "1:2", "1e9"])
def test_weight_that_is_none_is_refused_in_one_line(text: str) -> None:
    """It names the word, and shows a right one."""
    with pytest.raises(click.UsageError, match=r"give a weight above 0, such as mail:3\.$"):
        planned([f"mail:{text}"], ["mail"], None, strict=False)


def test_weights_do_not_go_with_an_order_and_not_twice() -> None:
    """What is meant is not guessed."""
    with pytest.raises(click.UsageError, match="leave the weights out"):
        planned(["mail:2"], ["mail"], None, strict=True)
    with pytest.raises(click.UsageError, match="has a weight already"):
        planned(["mail:2", "mail:3"], ["mail"], None, strict=False)
    with pytest.raises(click.UsageError, match="There is no queue 'mails'"):
        chosen_queues(_APP, ["mails:2"])


def test_pool_has_the_slots_of_its_classes_and_keeps_their_limits() -> None:
    """A limit that a class says itself holds; another one may have all slots."""
    shares = _shares(PoolPlan({"reports": 1.0, "mail": 3.0}))
    assert shares["mail"].pool.slots == 14
    assert (shares["mail"].count, shares["reports"].count) == (14, 4)
    assert (shares["reports"].place, shares["mail"].place) == (0, 1)


def test_partitions_have_the_weight_of_their_queue_together() -> None:
    """However many of them have work, the other queue has its part."""
    shares = _shares(PoolPlan({"crowd": 1.0, "mail": 1.0}, 12))
    for share in shares.values():
        share.open(lambda: None)
        share.wants = 99
    assert [shares[name].count for name in _PARTS] == [12, 12, 12]
    assert [shares[name].most for name in _PARTS] == [2, 2, 2]
    assert shares["mail"].most == 6
    shares["crowd~1"].wants = 0
    assert (shares["crowd"].most, shares["mail"].most) == (3, 6)


def test_what_is_above_one_s_limit_is_shared_by_the_others() -> None:
    """Of 20 slots at 3, 1 and 1, the first may have 2: 9 are for each of the others."""
    pool = SlotPool(20)
    shares = [pool.share(3, most=2), pool.share(1), pool.share(1)]
    for share in shares:
        share.open(lambda: None)
        share.wants = 99
    assert [share.most for share in shares] == [2, 9, 9]


def test_idle_poll_is_slower_in_a_pool_unless_it_is_set() -> None:
    """A deployment that says how soon is obeyed."""
    plan = PoolPlan({"mail": 1.0})
    assert given_by(plan, [Mail], idle_poll_s=0.5)["mail"]["idle_poll_s"] == 2
    assert "idle_poll_s" not in given_by(plan, [Mail], idle_poll_s=0.1)["mail"]


@pytest.mark.parametrize("slots", [0, -1, 1.5, True, None])
def test_pool_without_slots_is_refused(slots: int) -> None:
    """The error names what is wrong."""
    with pytest.raises(ConfigurationError, match="slots is"):
        SlotPool(slots)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), "3"])
def test_share_without_a_weight_is_refused(weight: float) -> None:
    """The error names what is wrong."""
    with pytest.raises(ConfigurationError, match="weight is"):
        SlotPool(4).share(weight)
