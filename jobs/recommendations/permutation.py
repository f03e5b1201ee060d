"""
Permutation tests: how often chance alone makes a difference as large as the one observed.

Nothing is drawn: p-values are computed from the distribution over all permutations, so that advice
depends on the data alone, not on the seed of a generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from jobs.analysis.student import normal_below, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SMALLEST: Final = 1e-4
"""Less is not reported: that items of like age are exchangeable is not known that surely."""

_PERIOD: Final = 32.0
"""Standard deviations after which a distribution that is made of waves repeats itself."""

_SMOOTH: Final = 7.0
"""Where the characteristic function of a smooth distribution has vanished, over its deviation."""

_BLUR: Final = 0.01
"""Other distributions are made smooth: by a normal one of this many standard deviations."""

_EQUAL: Final = 3.5 * _BLUR
"""What lies so little below the observed sum counts as equal to it there."""

_BLURRED: Final = 5.0 / _BLUR
_NOTHING: Final = 1e-8
_AT_ONCE, _CELLS, _LAST = 64, 32_768, 4
_DIGITS: Final = 10
_NEIGHBOURS: Final = 3


def permutation_p(
    scores: NDArray[np.float64], strata: NDArray[np.intp], members: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """
    Return a two-sided p-value per column of *members*: do its items score differently?

    *scores* holds one number per item, *strata* a label; *members* has a row per item and a
    column per question. Scores are centred and permuted within each stratum, so a difference
    between strata is never mistaken for one between members and others. The statistic is the
    members' sum, which for fixed sizes orders permutations like the difference of means.

    p is the share of all permutations with `|S*| ≥ |S|`, the observed one among them, but at least
    `SMALLEST`. It is found from the characteristic function of S*, as a Fourier series whose
    integral is the tails (J. Gil-Pelaez 1951). A sum of few members, or of many equal scores, has
    no smooth distribution: that is blurred, and p may then be too large, mostly by less than a
    tenth, but not too small.
    """
    order = np.argsort(strata, kind="stable")
    sums, observed = _Sums.of(scores[order], strata[order], members[order])
    p = np.ones(members.shape[1])
    for alike in sums.alike():
        p[alike], smooth = _beyond(sums.only(alike), observed[alike])
        for one in alike[~smooth]:
            p[one] = _beyond(sums.only(np.array([one])), observed[[one]], blur=_BLUR)[0].item()
    # The last digits depend on the machine.
    return np.clip(np.round(p, _DIGITS), SMALLEST, 1.0)


def with_memory(
    p: NDArray[np.float64],
    scores: NDArray[np.float64],
    strata: NDArray[np.intp],
    members: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """
    Return the *p* of `permutation_p`, corrected for what neighbours in time have in common.

    All arrays are in the order of publication. If items resemble those before them, and a series
    comes out in a row, permutations vary too little. The variance of S is then larger by
    `1 + 2 Σ (1 - k/n) r(k) q(k)`, with the autocorrelations at lags of 1 to 3 of members and of
    scores without what members have more than others, in either half: that is the question, and a
    weekly series would repeat it. It is never taken for smaller. Source: P. Clifford, S. Richardson
    and D. Hémon, "Assessing the Significance of the Correlation between Two Spatial Processes"
    (1989).
    """
    score, belongs = _centred(scores[:, None], strata), _centred(members.astype(float), strata)
    halves = np.array_split(np.arange(scores.size), 2)
    left = np.concatenate([_without(score[half], belongs[half]) for half in halves])
    shared = np.ones(p.size)
    for k in range(1, _NEIGHBOURS + 1):
        both = _alike(left, k) * _alike(belongs, k)
        shared += 2 * (1 - k / scores.size) * both
    found = np.array([normal_quantile(one / 2) for one in p.tolist()])
    nearer = found / np.sqrt(np.maximum(shared, 1.0))
    wider = 2 * np.array([normal_below(one) for one in nearer.tolist()])
    return np.clip(np.round(wider, _DIGITS), SMALLEST, 1.0)


def _centred(columns: NDArray[np.float64], strata: NDArray[np.intp]) -> NDArray[np.float64]:
    _, label = np.unique(strata, return_inverse=True)
    sums = np.zeros((int(label.max(initial=0)) + 1, columns.shape[1]))
    np.add.at(sums, label, columns)
    return np.asarray(columns - (sums / np.bincount(label)[:, None])[label])


def _without(score: NDArray[np.float64], belongs: NDArray[np.float64]) -> NDArray[np.float64]:
    slope = (score * belongs).sum(axis=0) / np.maximum((belongs**2).sum(axis=0), _NOTHING)
    return np.asarray(score - belongs * slope)


def _alike(columns: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Return the autocorrelation of each of the centred *columns*; 0 of what does not vary."""
    products, squares = (columns[lag:] * columns[:-lag]).sum(axis=0), (columns**2).sum(axis=0)
    alike = np.divide(products, squares, out=np.zeros_like(squares), where=squares > _NOTHING)
    return np.asarray(alike)


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


@dataclass(frozen=True, slots=True)
class _Sums:
    """
    Sums of values that are drawn from strata without replacement, one sum a question.

    Each stratum has a *size* and, in a row of *values*, its centred scores, filled up with zeros;
    the largest comes first. *drawn* (strata, questions) are drawn from each; where that is more
    than half, the others are drawn, whose sum is the same with the other sign (*mirrored*).
    *spread* is the standard deviation of each sum. *tied*: many scores are equal.
    """

    sizes: NDArray[np.intp]
    values: NDArray[np.float64]
    drawn: NDArray[np.intp]
    mirrored: NDArray[np.bool_]
    spread: NDArray[np.float64]
    tied: bool

    @classmethod
    def of(
        cls, scores: NDArray[np.float64], labels: NDArray[np.intp], members: NDArray[np.bool_]
    ) -> tuple[Self, NDArray[np.float64]]:
        """Return the sums of all questions, and the observed ones; all is sorted by its label."""
        starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
        sizes = np.diff(starts, append=labels.size)
        centred = scores - np.repeat(np.add.reduceat(scores, starts) / sizes, sizes)
        variance = np.add.reduceat(centred**2, starts) / np.maximum(sizes - 1, 1)
        counts = np.add.reduceat(members.astype(np.intp), starts, axis=0)
        left = sizes[:, None] - counts
        spread = np.sqrt((variance / sizes) @ (counts * left))
        values = np.zeros((sizes.size, int(sizes.max())))
        values[np.arange(values.shape[1]) < sizes[:, None]] = centred
        rows = np.argsort(-sizes, kind="stable")
        sums = cls(
            sizes[rows],
            values[rows],
            np.minimum(counts, left)[rows],
            (left < counts)[rows],
            spread,
            2 * np.unique(centred).size < centred.size,
        )
        return sums, np.abs(centred @ members)

    def alike(self) -> Iterator[NDArray[np.intp]]:
        """Yield the questions whose sums vary, those together whose sums vary about as much."""
        octave = np.floor(np.log2(np.where(self.spread > _NOTHING, self.spread, np.nan)))
        for one in np.unique(octave[~np.isnan(octave)]):
            yield np.flatnonzero(octave == one)

    def only(self, questions: NDArray[np.intp]) -> _Sums:
        """Return the sums of these *questions*, without the strata from which they draw nothing."""
        rows = self.drawn[:, questions].any(axis=1)
        own = np.ix_(rows, questions)
        return _Sums(
            self.sizes[rows],
            self.values[rows],
            self.drawn[own],
            self.mirrored[own],
            self.spread[questions],
            self.tied,
        )

    def waves(self, times: NDArray[np.float64]) -> NDArray[np.complex128]:
        """
        Return the characteristic function of each sum at *times*: (questions, times).

        With an n-th value to draw k from, the sum has it with probability k/n:
        `f(n, k) = (1 - k/n) f(n - 1, k) + k/n e^(itx) f(n - 1, k - 1)`. Strata multiply.
        """
        most = int(self.drawn.max())
        found = np.zeros((self.sizes.size, most + 1, times.size), dtype=np.complex128)
        found[:, 0] = 1.0
        k = np.arange(1, most + 1)[:, None]
        for n in range(1, int(self.sizes[0]) + 1):
            rows = int(np.count_nonzero(self.sizes >= n))
            turned = np.exp(1j * self.values[:rows, n - 1, None] * times)
            with_it = found[:rows, :-1] * turned[:, None]
            with_it *= k / n
            found[:rows, 1:] *= 1 - k / n
            found[:rows, 1:] += with_it
        of_each = found[np.arange(self.sizes.size)[:, None], self.drawn]
        np.conjugate(of_each, out=of_each, where=self.mirrored[:, :, None])
        return np.asarray(of_each.prod(axis=0))


def _beyond(
    sums: _Sums, observed: NDArray[np.float64], blur: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """
    Return the share of *sums* at least as far from zero as *observed*, and where that is exact.

    It is where the characteristic function vanishes; with ties it may rise again further on.
    """
    edge = np.maximum(observed - (_EQUAL * sums.spread if blur else 0.0), 0.0)
    reach = _BLURRED if blur else _SMOOTH
    period = max(_PERIOD * float(sums.spread.max()), 2.5 * float(edge.max()))
    step = 2 * np.pi / period
    last = int(np.ceil(reach / float(sums.spread.min()) / step))
    at_once = max(_AT_ONCE, _CELLS // (sums.sizes.size * (int(sums.drawn.max()) + 1)))
    p = 1 - 2 * edge / period
    vanished = np.zeros(edge.size, dtype=bool)
    for first in range(1, last + 1, at_once):
        times = step * np.arange(first, min(first + at_once, last + 1), dtype=np.float64)
        wave = sums.waves(times)
        wave *= np.exp(-0.5 * (blur * sums.spread[:, None] * times) ** 2)
        p -= 4 / period * (wave.real * np.sin(edge[:, None] * times) / times).sum(axis=1)
        vanished = np.abs(wave[:, -_LAST:]).max(axis=1) < _NOTHING
        if vanished.all() and not sums.tied:
            break
    return p, vanished & (not sums.tied)
