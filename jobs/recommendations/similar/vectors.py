"""
Turn profiles into vectors whose dot products are similarities.

Four views of a channel, each of unit length unless empty, are weighted and concatenated, so that
one product adds up four cosines:

- *tags*: whole tags by TF-IDF with plain counts; a tag on every item says the most;
- *text*: words cut into runs of four characters (which tolerates inflection and compounds), TF-IDF
  with logarithmic counts, reduced by a truncated SVD (latent semantic analysis);
- *fields*: how much the channel is about each common field, see `fields`;
- *style*: standardised over the channels compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from jobs.recommendations.similar.fields import field_scores
from jobs.recommendations.similar.weighting import reduced, tf_idf, unit_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from jobs.recommendations.similar.profile import Profile

TAGS, TEXT, FIELDS, STYLE = 0.8, 0.5, 0.5, 0.15
"""The views' weights, chosen on one half of the channels: see docs/recommendations.md."""

DIMENSIONS = 100
RUN = 4
SHARED_BY = 2
"""A word or tag that only one channel has makes no two channels similar."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Matrices with a row per channel; *names* are the columns of *tags*."""

    tags: sparse.csr_matrix
    dense: NDArray[np.float32]
    names: list[str]

    def similarity(self, rows: slice | NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the similarity of *rows* to all channels, at most 1."""
        found = self.dense[rows] @ self.dense.T
        found += (self.tags[rows] @ self.tags.T).toarray()
        found /= TAGS + TEXT + FIELDS + STYLE
        return found


def vectors(profiles: Sequence[Profile]) -> Vectors:
    """Return the vectors of *profiles*; each depends on all of them, which set a word's rarity."""
    tags, names = counts([profile.tags for profile in profiles])
    found, vocabulary = counts([profile.words for profile in profiles])
    parts = (
        (TEXT, _text(found, vocabulary)),
        (FIELDS, unit_rows(field_scores(found, vocabulary))),
        (STYLE, _style(profiles)),
    )
    return Vectors(
        tags=(tf_idf(tags) * np.sqrt(TAGS)).astype(np.float32).tocsr(),
        dense=np.hstack([np.sqrt(w) * part for w, part in parts]).astype(np.float32),
        names=names,
    )


def counts(occurrences: Sequence[Mapping[str, int]]) -> tuple[sparse.csr_matrix, list[str]]:
    """Return each row's counts of the names that at least `SHARED_BY` rows have, and the names."""
    shared: dict[str, int] = {}
    for own in occurrences:
        for name in own:
            shared[name] = shared.get(name, 0) + 1
    # The matrix needs at least one column; the one named "" stays empty.
    names = sorted(name for name, rows in shared.items() if name and rows >= SHARED_BY) or [""]
    column = {name: i for i, name in enumerate(names)}
    indices: list[int] = []
    data: list[int] = []
    starts = [0]
    for own in occurrences:
        kept = [(column[name], count) for name, count in own.items() if name and name in column]
        indices += [i for i, _ in kept]
        data += [count for _, count in kept]
        starts.append(len(indices))
    shape = (len(occurrences), len(names))
    found = sparse.csr_matrix((np.array(data, dtype=np.float64), indices, starts), shape=shape)
    return found, names


def _text(found: sparse.csr_matrix, vocabulary: Sequence[str]) -> NDArray[np.float64]:
    """Turn word counts into counts of character runs with one product, and reduce them."""
    of_word, _ = counts([_runs(word) for word in vocabulary])
    runs = (found @ of_word).tocsr()
    rows = np.bincount(runs.indices, minlength=runs.shape[1])
    runs = runs[:, rows >= SHARED_BY]
    most = min(DIMENSIONS, min(runs.shape) - 1)
    if most < 1:
        return np.zeros((found.shape[0], 1))
    return unit_rows(reduced(tf_idf(runs, logarithmic=True), most))


def _runs(word: str) -> dict[str, int]:
    marked = f"<{word}>"
    found: dict[str, int] = {}
    for i in range(max(1, len(marked) - RUN + 1)):
        run = marked[i : i + RUN]
        found[run] = found.get(run, 0) + 1
    return found


def _style(profiles: Sequence[Profile]) -> NDArray[np.float64]:
    styles = np.array([profile.style for profile in profiles], dtype=np.float64)
    known = ~np.isnan(styles)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, styles, 0).sum(axis=0) / n
    left = np.where(known, styles - mean, 0)
    spread = np.sqrt((left**2).sum(axis=0) / n)
    # An unknown value counts as average.
    return unit_rows(left / np.where(spread > 0, spread, 1))
