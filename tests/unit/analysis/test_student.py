"""Student's t and the normal distribution."""

from __future__ import annotations

import pytest
from scipy import special

from jobs.analysis.student import normal_below, normal_quantile, t_below, t_quantile

FREEDOMS = [0.7, 1, 1.5, 2, 3, 6.3, 13, 27, 99.5, 400]
CHANCES = [1e-9, 1e-4, 0.025, 0.05, 0.3, 0.49, 0.5, 0.9, 0.975, 0.9999]
VALUES = [-200, -8, -2.1, -0.01, 0, 0.01, 1, 5, 30]


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_student_agrees_with_scipy(freedom: float) -> None:
    """Quantiles and chances, in the tails and in the middle, for few and for many values."""
    theirs = special.stdtrit(freedom, CHANCES)
    assert [t_quantile(freedom, p) for p in CHANCES] == pytest.approx(theirs, rel=1e-10, abs=1e-12)
    theirs = special.stdtr(freedom, VALUES)
    assert [t_below(freedom, t) for t in VALUES] == pytest.approx(theirs, rel=1e-10)


def test_normal_distribution_agrees_with_scipy() -> None:
    """Both directions."""
    theirs = special.ndtri(CHANCES)
    assert [normal_quantile(p) for p in CHANCES] == pytest.approx(theirs, rel=1e-12, abs=1e-12)
    assert [normal_below(z) for z in VALUES] == pytest.approx(special.ndtr(VALUES), rel=1e-12)
