"""Counts to vectors: what is rare says more, and a few dimensions say nearly all of it."""

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
    Return *counts*, a row per channel, weighted by how rare each column is.

    The weight is `ln((1 + n) / (1 + rows with it)) + 1` of n rows. With *logarithmic* counts are
    taken as `ln(count) + 1`; with *unit*, rows that are not empty have unit length.
    """
    told = sparse.csr_matrix(counts, dtype=np.float64, copy=True)
    rows, columns = told.shape
    rare = np.log((1 + rows) / (1 + np.bincount(told.indices, minlength=columns))) + 1
    if logarithmic:
        told.data = np.log(told.data) + 1
    told.data *= rare[told.indices]
    if unit:
        length = np.sqrt(np.asarray(told.multiply(told).sum(axis=1)).ravel())
        told.data /= np.repeat(np.where(length > 0, length, 1.0), np.diff(told.indptr))
    return told


def unit_rows(dense: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return *dense* with rows of unit length; those of zeros stay."""
    length = np.sqrt(np.einsum("ij,ij->i", dense, dense))[:, None]
    scaled: NDArray[np.float64] = dense / np.where(length > 0, length, 1.0)
    return scaled


def reduced(table: sparse.csr_matrix, dimensions: int) -> NDArray[np.float64]:
    """
    Return the rows of *table* in the *dimensions* in which they differ most (truncated SVD).

    *dimensions* are fewer than the rows and the columns. By random projection and power iteration:
    N. Halko, P. Martinsson and J. Tropp, "Finding Structure with Randomness" (2011), algorithms
    4.4 and 5.1. The same table gives the same rows.
    """
    # Cheaper with the longer side in front.
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
