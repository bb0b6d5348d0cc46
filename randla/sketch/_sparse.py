"""Operators with few nonzeros in a column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._core import dispatch, validate
from .._core.random import words
from ._operator import LinearSketch


class SparseSign(LinearSketch):
    """Sketching operator with `nnz` random signs in each column: the default choice.

    The rows are cut into `nnz` parts, and a column has one sign, at a random row, in each of them:
    `nnz` CountSketches, stacked.

    Parameters
    ----------
    d : int
        Rows, in [1, 2**30].
    m : int or None
        Columns; None: any number.
    nnz : int, default 8
        Nonzeros in a column, in [1, d]; where d < 8, the default is d.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Its randomness; None draws from the system's entropy.

    Raises
    ------
    TypeError
        Sizes that are no integers, an `rng` of another kind.
    ValueError
        A size outside of its range.

    See Also
    --------
    CountSketch : One nonzero in a column.
    SRHT : A dense operator that is nearly as fast.

    Notes
    -----
    **Guarantee.**  With nnz = O(log r) and d = O(r) rows no vector of a given subspace of dimension
    r is shortened by more than a constant, with high probability [1]_.  In experiments nnz = 8 and
    ``d = 1.25 r ... 3 r`` embed as well as `Gaussian`, on coherent subspaces (a few rows of a unit
    matrix) too; with nnz = 4 nearly so; with 1 and 2 rank can be lost.

    **Cost.**  ``nnz`` additions for each entry of A, which is read once: the memory's bandwidth is
    the limit up to nnz = 4 or so.  Sums run in the order of the columns of S, whatever the layout
    of A, the number of threads, or the cuts: the bits are the same.

    **What is not finite** in A reaches the `nnz` rows of its column, and no other.

    **Not to be used** without a check of what was embedded where an answer depends on it: the
    guarantee is one of probability.

    References
    ----------
    .. [1] C. Camano, E. N. Epperly, R. A. Meyer, J. A. Tropp, "Faster linear algebra algorithms
       with structured random matrices", 2025, arXiv:2508.21189 (where it is called SparseStack).

    D. M. Kane, J. Nelson, "Sparser Johnson-Lindenstrauss transforms", Journal of the ACM 61 (2014),
    doi:10.1145/2559902.

    Examples
    --------
    >>> import numpy as np, randla
    >>> S = randla.sketch.SparseSign(100, 10000, rng=0)
    >>> A = np.random.default_rng(1).standard_normal((10000, 20))
    >>> singular = np.linalg.svd(S @ np.linalg.qr(A).Q, compute_uv=False)
    >>> bool(0.4 < singular.min() and singular.max() < 1.6)
    True
    """

    _open = True
    _kind = "SPARSE_SIGN"

    def __init__(self, d: int, m: int | None, nnz: int | None = None, *, rng: Any = None) -> None:
        super().__init__(d, m, rng)
        self._nnz = min(8, self.d) if nnz is None else validate.integer("nnz", nnz)
        validate.inside("nnz", self._nnz, 1, self.d, " (d)")

    def _parameters(self) -> dict[str, Any]:
        return {"nnz": self._nnz}

    @property
    def nnz(self) -> int:
        """Nonzeros in a column of the whole operator."""
        return self._nnz

    @property
    def scale(self) -> float:
        """Modulus of the nonzeros."""
        return 1 / math.sqrt(self._nnz)

    def _codes(self, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the nonzeros of the columns of this block, and their signs."""
        codes = np.empty((columns, self._nnz), np.int32)
        if codes.size:
            dispatch.backend("numpy").sketch.codes(self._words(columns), codes)
        return codes >> 1, 1.0 - 2.0 * (codes & 1)

    def _run_sparse(self, X: Any, Y: np.ndarray) -> None:
        binding = dispatch.backend("numpy").sketch
        if Y.size == 0 or X.nnz == 0:
            return
        wide = max(X.indptr.dtype.itemsize, X.indices.dtype.itemsize) > 4
        index = np.int64 if wide else np.int32
        pointers, indices = (np.ascontiguousarray(x, index) for x in (X.indptr, X.indices))
        data = validate.packed(X.data, Y.dtype)
        words = self._words(X.shape[0])
        binding.apply_sparse(words, X.format == "csr", pointers, indices, data, self.scale, Y)

    def _tosparse(self, columns: int, char: str) -> Any:
        from scipy.sparse import csr_array

        rows, signs = self._codes(columns)
        row, count, _, _ = self._block
        inside = (rows >= row) & (rows < row + count)
        column = np.broadcast_to(np.arange(columns)[:, None], rows.shape)
        values = (self.scale * signs[inside]).astype(char.lower())
        return csr_array((values, (rows[inside] - row, column[inside])), (count, columns))

    def _definition(self, i: int, j: int) -> np.ndarray:
        """Columns i ... j - 1, unscaled: one word for each nonzero, its bit 0 the sign."""
        z = self._nnz
        per_column, each, longer = -(-z // 4), self.d // z, self.d % z
        w = words(self.stream, self._number, 0, i * per_column, (j - i) * per_column)
        w = w.reshape(j - i, 4 * per_column)[:, :z].astype(np.uint64)
        t = np.arange(z)
        low, length = t * each + np.minimum(t, longer), each + (t < longer)
        rows = low + ((w >> np.uint64(1)) * length.astype(np.uint64) >> np.uint64(31)).astype(int)
        entries = np.zeros((self.d, j - i))
        entries[rows, np.arange(j - i)[:, None]] = 1.0 - 2.0 * (w & np.uint64(1)).astype(float)
        return entries


class CountSketch(SparseSign):
    """Sketching operator with one random sign in each column: the fastest one.

    Parameters
    ----------
    d : int
        Rows, in [1, 2**30].
    m : int or None
        Columns; None: any number.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Its randomness; None draws from the system's entropy.

    Raises
    ------
    TypeError
        Sizes that are no integers, an `rng` of another kind.
    ValueError
        A size outside of its range.

    See Also
    --------
    SparseSign : With 8 nonzeros, which hardly take longer and embed far better.

    Notes
    -----
    **Guarantee.**  A subspace of dimension r is embedded with distortion eps and probability 1 - p
    by ``d = O(r**2 / (p eps**2))`` rows [1]_: the square is real.  Of the first r columns of a unit
    matrix, ``d = 2 r`` rows lose some in nearly every draw.

    **Cost.**  One addition for each entry of A, which is read once, at the rate of the memory.

    **Not to be used** for QR, least squares or SVD of matrices whose rows may be unequal: use
    `SparseSign`.

    References
    ----------
    .. [1] K. L. Clarkson, D. P. Woodruff, "Low-rank approximation and regression in input sparsity
       time", Journal of the ACM 63 (2017), doi:10.1145/3019134.

    Examples
    --------
    >>> import numpy as np, randla
    >>> S = randla.sketch.CountSketch(3, 8, rng=1)
    >>> np.abs(S.toarray()).sum(axis=0)
    array([1., 1., 1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, d: int, m: int | None, *, rng: Any = None) -> None:
        super().__init__(d, m, 1, rng=rng)

    def _parameters(self) -> dict[str, Any]:
        return {}
