"""Permutation tests: how often chance alone makes a difference as large as the one observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STAGES: tuple[tuple[int, float], ...] = ((499, 1.0), (1_999, 0.1), (9_999, 0.01))
"""The number of draws, and the p-value below which a question goes through the stage."""


def permutation_p(
    scores: NDArray[np.float64],
    strata: NDArray[np.intp],
    members: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """
    Return a two-sided p-value per column of *members*: do its items score differently?

    *scores* holds one number per item, *strata* a label; *members* has a row per item and a
    column per question. Scores are centred and permuted within each stratum, so a difference
    between strata is never mistaken for one between members and others. The statistic is the
    members' sum, which for fixed sizes orders permutations like the difference of means.

    `p = (1 + #{|S*| ≥ |S|}) / (1 + draws)`, which is never zero. Source: B. Phipson and
    G. Smyth, "Permutation P-values Should Never Be Zero" (2010). Questions with a small p are
    tested again with more draws (`STAGES`), and only the last p counts: time is spent where it
    decides something.
    """
    order = np.argsort(strata, kind="stable")
    centred, labels = _centred(scores[order], strata[order]), strata[order]
    columns = members[order].astype(np.float64)
    p = np.zeros(columns.shape[1])
    for draws, below in STAGES:
        promising = p < below
        if promising.any():
            p[promising] = _p(centred, labels, columns[:, promising], rng, draws)
    return p


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return *p* adjusted for asking all of these questions at once.

    Taking those below a level keeps the chance of even one false finding below that level.
    Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979).
    """
    order = np.argsort(p, kind="stable")
    factors = p.size - np.arange(p.size)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted


def _centred(scores: NDArray[np.float64], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    _, group = np.unique(labels, return_inverse=True)
    means = np.bincount(group, weights=scores) / np.bincount(group)
    centred: NDArray[np.float64] = scores - means[group]
    return centred


def _p(
    scores: NDArray[np.float64],
    labels: NDArray[np.intp],
    columns: NDArray[np.float64],
    rng: np.random.Generator,
    draws: int,
) -> NDArray[np.float64]:
    """Return the p-values of *columns*; rows are sorted by label, so each stratum is a slice."""
    observed = np.abs(scores @ columns)
    # Sums of the same numbers in another order differ in their last bits.
    reached = observed - 1e-9 * (1 + observed)
    sums = np.zeros((draws, columns.shape[1]))
    for stratum in np.split(np.arange(scores.size), np.flatnonzero(np.diff(labels)) + 1):
        own = np.broadcast_to(scores[stratum], (draws, stratum.size))
        sums += rng.permuted(own, axis=1) @ columns[stratum]
    exceeded = np.count_nonzero(np.abs(sums) >= reached, axis=0)
    p: NDArray[np.float64] = (1 + exceeded) / (1 + draws)
    return p
