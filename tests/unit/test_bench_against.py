"""`make bench-against`: how pairs of runs become a ratio, and a ratio a verdict."""

from __future__ import annotations

import math

import pytest

from benchmarks.against import Found, Ratio, main, slower


def test_ratio_of_equal_pairs_has_no_width() -> None:
    """Where every pair says the same, the interval is that."""
    ratio = Ratio.of([1.1] * 5)

    assert [ratio.mean, ratio.low, ratio.high] == pytest.approx([1.1] * 3)


def test_ratio_is_the_geometric_mean_with_students_interval() -> None:
    """Three logarithms of mean 0 and deviation 0.1; the quantile is that of printed tables."""
    ratio = Ratio.of([math.exp(-0.1), 1.0, math.exp(0.1)])
    reach = 4.303 * 0.1 / math.sqrt(3)

    assert ratio.mean == pytest.approx(1)
    assert math.log(ratio.low) == pytest.approx(-reach, rel=1e-4)
    assert math.log(ratio.high) == pytest.approx(reach, rel=1e-4)


def test_ratio_turns_round_with_its_sides() -> None:
    """Old over new is the inverse of new over old, so neither side is favoured."""
    ratios = [0.9, 1.2, 1.05, 1.0]
    one, other = Ratio.of(ratios), Ratio.of([1 / ratio for ratio in ratios])

    assert one.mean == pytest.approx(1 / other.mean)
    assert one.low == pytest.approx(1 / other.high)


def test_found_passes_over_disturbed_turns() -> None:
    """A turn that met something else on the machine does not move the ratio of its pair."""
    found = Found()
    found.add(new=[11.0, 11.0, 900.0, 11.0, 11.0], old=[10.0, 10.0, 10.0, 10.0, 500.0])

    assert found.ratios == pytest.approx([1.1])


@pytest.mark.parametrize(
    ("low", "high", "fails"),
    [
        (1.04, 1.09, True),
        (1.02, 1.20, False),  # it may be less than the bar
        (1.03, 1.09, False),  # it touches the bar
        (0.80, 0.85, False),  # it is faster
    ],
)
def test_slower_needs_the_whole_interval_beyond_the_bar(
    low: float, high: float, *, fails: bool
) -> None:
    """A figure fails only where no value of its interval would pass."""
    ratios = {"drain": Ratio(math.sqrt(low * high), low, high), "bulk": Ratio(1.0, 0.99, 1.01)}

    assert slower(ratios, bar=3) == (["drain"] if fails else [])


def test_unknown_revision_is_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """A run that measured nothing neither passes nor fails: it exits with 2, and says why."""
    assert main(["no-such-revision"]) == 2
    assert capsys.readouterr().err.startswith("make bench-against: ")
