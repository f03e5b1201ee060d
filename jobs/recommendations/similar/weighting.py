"""Turn counts into vectors: weight by rarity (TF-IDF) and reduce the dimensions (SVD)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import linalg, sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPARE: Final = 10
_ROUNDS: Final = 5


def tf_idf(
    counts: sparse.csr_matrix, *, logarithmic: bool = False, unit: bool = True
) -> sparse.csr_matrix:
    """
    Return *counts*, a row per channel, weighted by the rarity of each column.

    The weight is `ln((1 + n) / (1 + rows with it)) + 1` for n rows. With *logarithmic*, counts
    become `ln(count) + 1`; with *unit*, non-empty rows get unit length.
    """
    weighted = sparse.csr_matrix(counts, dtype=np.float64, copy=True)
    rows, columns = weighted.shape
    rare = np.log((1 + rows) / (1 + np.bincount(weighted.indices, minlength=columns))) + 1
    if logarithmic:
        weighted.data = np.log(weighted.data) + 1
    weighted.data *= rare[weighted.indices]
    if unit:
        length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        weighted.data /= np.repeat(np.where(length > 0, length, 1.0), np.diff(weighted.indptr))
    return weighted


def unit_rows(dense: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return *dense* with rows of unit length; rows of zeros stay."""
    length = np.sqrt(np.einsum("ij,ij->i", dense, dense))[:, None]
    scaled: NDArray[np.float64] = dense / np.where(length > 0, length, 1.0)
    return scaled


def reduced(table: sparse.csr_matrix, dimensions: int) -> NDArray[np.float64]:
    """
    Return the rows of *table* in the *dimensions* in which they differ most (truncated SVD).

    *dimensions* must be fewer than the rows and the columns. Uses random projection and power
    iteration: N. Halko, P. Martinsson and J. Tropp, "Finding Structure with Randomness" (2011),
    algorithms 4.4 and 5.1. The same table gives the same rows.
    """
    # It is cheaper with the longer side as rows.
    turned = table.shape[0] < table.shape[1]
    tall = table.T.tocsr() if turned else table
    basis = np.random.default_rng(0).normal(size=(tall.shape[1], dimensions + _SPARE))
    for _ in range(_ROUNDS):
        basis, _ = linalg.lu(tall @ basis, permute_l=True, check_finite=False)
        basis, _ = linalg.lu(tall.T @ basis, permute_l=True, check_finite=False)
    basis, _ = linalg.qr(tall @ basis, mode="economic", check_finite=False)
    left, _, right = linalg.svd((tall.T @ basis).T, full_matrices=False)
    directions = (basis @ left)[:, :dimensions] if turned else right[:dimensions].T
    found: NDArray[np.float64] = np.asarray(table @ directions)
    return found
