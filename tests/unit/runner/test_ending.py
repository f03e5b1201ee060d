"""What an exception means that ends an attempt."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import arq.worker
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ending import Kind, ending_of
from runner.errors import ArgumentsError, Bury
from runner.retry import Retry
from tests.odd_values import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = [Retry(), Retry(5), Retry(60, charge=False), arq.worker.Retry(defer=7), Bury("no")]
_ERRORS = [ValueError("x"), SystemExit(), KeyboardInterrupt(), GeneratorExit()]


def _groups(leaves: list[Any]) -> st.SearchStrategy[BaseException]:
    return st.recursive(
        st.sampled_from(leaves),
        lambda inner: st.lists(inner, min_size=1, max_size=4).map(
            lambda members: BaseExceptionGroup("some", members)
        ),
        max_leaves=8,
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _leaves(member)
    else:
        yield error


@given(_groups(_SIGNALS))
def test_signals_are_heard_in_groups(error: BaseException) -> None:
    """`Bury` wins, then what costs an attempt, then the longest delay."""
    leaves = list(_leaves(error))
    ending = ending_of(error, was_stopped=False)

    if any(isinstance(leaf, Bury) for leaf in leaves):
        assert ending.kind is Kind.BURY
        return
    free = all(isinstance(leaf, Retry) and not leaf.charge for leaf in leaves)
    delays_s = [leaf.defer_score / 1000 for leaf in leaves if leaf.defer_score is not None]  # type: ignore[attr-defined]
    assert ending.kind is (Kind.FREE_RETRY if free else Kind.RETRY)
    assert ending.delay_s == max(delays_s, default=None)
    assert ending.error in leaves


@given(_groups([*_SIGNALS, *_ERRORS]))
def test_real_error_beside_signals_is_a_failure(error: BaseException) -> None:
    """The whole group is: a signal does not hide what went wrong."""
    if any(leaf in _ERRORS for leaf in _leaves(error)):
        ending = ending_of(error, was_stopped=False)
        assert (ending.kind, ending.error) == (Kind.FAILURE, error)


async def test_signal_raised_in_a_task_group_is_heard() -> None:
    """As a job raises it."""

    async def child() -> None:
        raise Bury("no such channel")

    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())

    ending = ending_of(raised.value, was_stopped=False)
    assert (ending.kind, str(ending.error)) == (Kind.BURY, "no such channel")


def test_arguments_that_fit_no_job_are_final() -> None:
    """No retry would change them."""
    error = ArgumentsError("tidy", "x: missing")

    assert ending_of(error, was_stopped=False).is_final(attempt=1, max_retries=9)


def test_cancellation_is_a_failure_unless_the_worker_asked_for_it() -> None:
    """A job that cancels itself has failed."""
    error = asyncio.CancelledError()

    assert ending_of(error, was_stopped=True).kind is Kind.STOPPED
    own = ending_of(error, was_stopped=False)
    assert (own.kind, str(own.error)) == (Kind.FAILURE, "the job cancelled itself")


@pytest.mark.parametrize("kind", ERRORS)
def test_odd_exception_has_a_meaning(kind: str) -> None:
    """Whatever its own code does: it is a failure, unless it is a signal that can be read."""
    ending = ending_of(ERRORS[kind](), was_stopped=False)

    assert ending.kind is (Kind.RETRY if "hollow" in kind else Kind.FAILURE)


def test_deep_group_is_read_to_its_end() -> None:
    """However deep, without recursion."""
    error: Exception = Retry(3)
    for _ in range(5000):
        error = ExceptionGroup("around", [error])

    assert ending_of(error, was_stopped=False).delay_s == 3
