"""When a failed job runs again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.retry import exponential, linear, polynomial

_COUNTS = st.integers(0, 1000)


def test_linear_backoff_is_ten_twenty_thirty_seconds_exactly() -> None:
    """The default: `10 * (count + 1)` seconds, without jitter."""
    delay = linear()

    assert [delay(count) for count in range(5)] == [10, 20, 30, 40, 50]
    assert [linear(1.5)(count) for count in range(3)] == [1.5, 3.0, 4.5]


def test_exponential_backoff_doubles_up_to_its_cap() -> None:
    """`base_s * factor ** count`, never beyond the cap, however often a job failed."""
    delay = exponential(10, 2, cap_s=100, jitter=0)

    assert [delay(count) for count in range(6)] == [10, 20, 40, 80, 100, 100]
    assert delay(10**9) == 100


@given(_COUNTS)
def test_exponential_backoff_spreads_by_no_more_than_its_jitter(count: int) -> None:
    """Jitter adds up to its share of the delay, and subtracts nothing."""
    plain = exponential(10, 2, 3600, jitter=0)(count)

    assert plain <= exponential(10, 2, 3600, jitter=0.1)(count) <= plain * 1.1


@given(_COUNTS)
def test_polynomial_backoff_is_that_of_sidekiq(count: int) -> None:
    """`count ** 4 + 15`, plus a random share of ten seconds for each failure."""
    assert count**4 + 15 <= polynomial()(count) <= count**4 + 15 + 10 * (count + 1)
    assert polynomial(jitter_s=0)(count) == count**4 + 15
