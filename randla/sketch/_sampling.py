"""Rows that are picked at random, and the probabilities that this should use."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._core import dispatch, validate
from .._core.random import as_stream, words
from ._dense import Gaussian
from ._layout import _as_library
from ._operator import LinearSketch
from ._sparse import SparseSign


class RowSampling(LinearSketch):
    """Sketching operator that keeps some rows, weighted so that E[S^T S] = I.

    Parameters
    ----------
    d : int
        Rows kept.  Uniform sampling: in [1, m].
    m : int
        Rows to choose from.
    p : array_like of float, shape (m,), optional
        Probabilities, as of NumPy's ``choice``: nonnegative, sum 1.  Rows are then drawn with
        replacement, and one of probability p has the weight ``1 / sqrt(d p)``.  Default: d distinct
        rows, all equally likely, with the weight ``sqrt(m / d)``.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Its randomness; None draws from the system's entropy.

    Attributes
    ----------
    indices : ndarray of int64, shape (d,)
        The rows: ascending without `p`, in the order of the draws with it.
    weights : ndarray of float64, shape (d,)
        What they are multiplied by.

    Raises
    ------
    TypeError
        Sizes that are no integers, an `rng` of another kind.
    ValueError
        A size outside of its range; `p` of a wrong shape, negative, not finite, all zero, or with
        another sum than 1.

    See Also
    --------
    leverage_scores : What `p` should be proportional to.

    Notes
    -----
    **Guarantee.**  With `p` proportional to the leverage scores of A, ``d = O(r log(r) / eps**2)``
    rows embed its range, of dimension r, with distortion eps [1]_.  Uniform sampling needs
    ``coherence * m`` instead of r, which can be all of m.

    **Cost.**  A gather of d rows; no arithmetic but the weights.

    **Not to be used** without `p` for matrices of unequal rows: it may miss those that matter.

    Probabilities are rounded to integers, multiples of ``2**-40`` that are at least 1, so that the
    draws are equal on every machine.

    References
    ----------
    .. [1] P. Drineas, M. W. Mahoney, S. Muthukrishnan, "Relative-error CUR matrix decompositions",
       SIAM Journal on Matrix Analysis and Applications 30 (2008), doi:10.1137/07070471X.

    Examples
    --------
    >>> import numpy as np, randla
    >>> S = randla.sketch.RowSampling(2, 8, rng=0)
    >>> S @ np.arange(8.0) == 2 * S.indices
    array([ True,  True])
    """

    _in_torch = False  # a gather: the array library's own

    def __init__(self, d: int, m: int, *, p: Any = None, rng: Any = None) -> None:
        super().__init__(d, m, rng)
        kinds = dispatch.backend("numpy").core.kinds()
        binding = dispatch.backend("numpy").sketch
        self._p = None
        if p is None:
            validate.inside("d", self.d, 1, self.m, " (m: without p, rows are distinct)")
            self.indices = np.empty(self.d, np.int64)
            stream = (self.stream.key, self.stream.offset)
            binding.subset(*stream, kinds["ROW_SAMPLING"], 0, self.m, self.indices)
            self.weights = np.full(self.d, math.sqrt(self.m / self.d))
            return
        q = _integer_weights(p, self.m)
        self._p = np.array(dispatch.to_numpy(p), np.float64)
        cumulative = np.cumsum(q)
        total = int(cumulative[-1])
        long = words(self.stream, kinds["WEIGHTED_SAMPLING"], 0, 0, -(-self.d // 2))
        long = long.astype(np.uint64)
        draws = (long[:, ::2] + (long[:, 1::2] << np.uint64(32))).ravel()[: self.d]
        # the high word of draws * total, of 64 bits each
        low, high = draws & np.uint64(0xFFFFFFFF), draws >> np.uint64(32)
        t_low, t_high = np.uint64(total & 0xFFFFFFFF), np.uint64(total >> 32)
        middle = high * t_low + (low * t_low >> np.uint64(32))
        other = low * t_high + (middle & np.uint64(0xFFFFFFFF))
        place = high * t_high + (middle >> np.uint64(32)) + (other >> np.uint64(32))
        self.indices = np.searchsorted(cumulative, place.astype(np.int64), side="right")
        self.weights = 1 / np.sqrt(self.d * (q[self.indices] / total))

    def _parameters(self) -> dict[str, Any]:
        return {} if self._p is None else {"p": f"<{self.m} probabilities>"}

    def _identity(self) -> tuple[Any, ...]:
        given = None if self._p is None else self._p.tobytes()
        return (self.d, self.m, self.stream, given, self._block)

    @property
    def scale(self) -> float:
        """One: the weights are in `weights`."""
        return 1.0

    def _kept(self, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of this block that are not zero, their column in it, and their weights."""
        row, rows, column, _ = self._block
        indices = self.indices[row : row + rows] - column
        at = np.flatnonzero((indices >= 0) & (indices < columns))
        return at, indices[at], self.weights[row : row + rows][at]

    def _entries(self, columns: int, char: str) -> np.ndarray:
        S = np.zeros((self._block[1], columns), char)
        at, indices, weights = self._kept(columns)
        S[at, indices] = weights
        return S

    def _definition(self, i: int, j: int) -> np.ndarray:
        return self.cols(i, j)._entries(j - i, "d")

    def _by_kernels(
        self, A: Any, axis: int, transposed: bool, out: Any, accumulate: bool, kind: str
    ) -> Any:
        dtype = np.dtype(validate.compute_char("A", A.dtype))
        result_dtype = A.dtype if A.dtype.kind not in "iub" else np.dtype(np.float64)
        result = self._reference(A.astype(dtype, copy=False), axis, transposed)
        result = result.astype(result_dtype, copy=False)
        return result if out is None else _write(result, out, accumulate, A)

    def _reference(self, A: Any, axis: int, transposed: bool) -> Any:
        """A gather, or its adjoint: the sum of the rows that are equal, in their order."""
        xp = dispatch.namespace(A)
        if xp.isdtype(A.dtype, ("integral", "bool")):
            A = xp.astype(A, xp.float64)
        rows = self._block[1]
        columns = self._columns(None if transposed else A.shape[axis], "S.T")
        at, indices, weights = self._kept(columns)
        factors = np.zeros(rows)
        factors[at] = weights
        if not transposed:
            where = np.full(rows, columns, np.int64)  # a row of zeros stands there
            where[at] = indices
            return _gather(xp, A, where, axis) * _column(xp, factors, A, axis)
        B = A * _column(xp, factors, A, axis)
        order = np.argsort(indices, kind="stable")
        total = None
        while len(order) or total is None:  # once, unless rows repeat
            _, first = np.unique(indices[order], return_index=True)
            where = np.full(columns, rows, np.int64)
            where[indices[order[first]]] = at[order[first]]
            part = _gather(xp, B, where, axis)
            total = part if total is None else total + part
            order = np.delete(order, first)
        return total

    def _tosparse(self, columns: int, char: str) -> Any:
        from scipy.sparse import csr_array

        at, indices, weights = self._kept(columns)
        values = weights.astype(char.lower())
        return csr_array((values, (at, indices)), (self._block[1], columns))

    def _run_sparse(self, X: Any, Y: np.ndarray) -> None:
        Y += (self._tosparse(X.shape[0], Y.dtype.char) @ X).toarray()

    def _accumulate(self, X: np.ndarray, Y: np.ndarray) -> None:
        at, indices, weights = self._kept(X.shape[1])
        Y[:, at] += X[:, indices] * weights[:, None].astype(Y.real.dtype)

    def _row_block(self) -> int:
        return 1


def leverage_scores(A: Any, *, exact: bool = False, rng: Any = None) -> Any:
    """Squared norms of the rows of an orthonormal basis of the range of A.

    Parameters
    ----------
    A : array_like, shape (m, n), m >= n
        Real or complex.
    exact : bool, default False
        By a QR decomposition, else by a sketch.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Randomness of the sketch.

    Returns
    -------
    array, shape (m,)
        In [0, 1] if exact; their sum is the rank of A.

    Raises
    ------
    ValueError
        A is not a matrix with at least as many rows as columns.
    TypeError
        A has no numbers.
    LinAlgError
        A has a NaN or an infinity.

    Notes
    -----
    Exact: the squared row norms of Q, ``2 m n**2`` flops; directions whose singular value is below
    ``n eps`` times the largest do not count.  Else, of ``A R^-1 G``, where R belongs to the QR
    decomposition of a `SparseSign` sketch with ``4 n`` rows, and G is normal, n x 16, divided by
    4: within a factor 3 of the truth, nearly always, for ``32 m n`` flops [1]_.

    References
    ----------
    .. [1] P. Drineas, M. Magdon-Ismail, M. W. Mahoney, D. P. Woodruff, "Fast approximation of
       matrix coherence and statistical leverage", JMLR 13 (2012), arXiv:1109.3843.

    Examples
    --------
    >>> import numpy as np, randla
    >>> A = np.eye(5, 2)
    >>> randla.sketch.leverage_scores(A, exact=True)
    array([1., 1., 0., 0., 0.])
    >>> scores = randla.sketch.leverage_scores(A, rng=0)
    >>> bool((scores[2:] == 0).all() and (scores[:2] > 0.3).all())
    True
    """
    kind = dispatch.kind_of(A)
    if kind in ("sequence", "subclass", "tracer"):
        A = validate.as_array("A", A, kind)
    if len(A.shape) != 2 or A.shape[0] < A.shape[1]:
        raise ValueError(f"A must have shape (m, n) with m >= n, got {tuple(A.shape)}")
    xp = dispatch.namespace(A)
    if xp.isdtype(A.dtype, ("integral", "bool")):
        A = xp.astype(A, xp.float64)
    elif not xp.isdtype(A.dtype, ("real floating", "complex floating")):
        raise TypeError(f"A has dtype {A.dtype}; expected numbers")
    m, n = A.shape
    if m == 0 or n == 0:
        return xp.zeros((m,), dtype=xp.real(A).dtype if _is_complex(xp, A) else A.dtype)
    if not bool(xp.all(xp.isfinite(A))):
        raise np.linalg.LinAlgError("A has a NaN or an infinity")
    stream = as_stream(rng)
    if exact or m <= 4 * n:
        U, s, _ = xp.linalg.svd(A, full_matrices=False)
        kept = xp.astype(s > n * xp.finfo(s.dtype).eps * s[0], s.dtype)
        return xp.sum(_squares(xp, U) * kept, axis=1)
    S = SparseSign(4 * n, m, rng=stream)
    _, s, Vh = xp.linalg.svd(S @ A, full_matrices=False)
    # R^-1 up to a rotation: V / s, without the directions that are noise
    kept = s > n * xp.finfo(s.dtype).eps * s[0]
    inverse = xp.where(kept, 1 / xp.where(kept, s, xp.ones_like(s)), xp.zeros_like(s))
    V = xp.conj(xp.matrix_transpose(Vh)) if _is_complex(xp, A) else xp.matrix_transpose(Vh)
    few = min(16, n)
    G = Gaussian(few, n, rng=stream.advance())
    probes = _as_library(xp, G.toarray().T, A) if n > 16 else None
    W = V * inverse
    return xp.sum(_squares(xp, A @ (W if probes is None else W @ probes)), axis=1)


def _is_complex(xp: Any, A: Any) -> bool:
    return bool(xp.isdtype(A.dtype, "complex floating"))


def _squares(xp: Any, A: Any) -> Any:
    return xp.real(A) ** 2 + xp.imag(A) ** 2 if _is_complex(xp, A) else A**2


def _integer_weights(p: Any, m: int) -> np.ndarray:
    """Probabilities as integers, so that cumulative sums are exact everywhere."""
    given = np.asarray(dispatch.to_numpy(p))
    if given.dtype.kind not in "fiu":
        raise TypeError(f"p must have real numbers, got dtype {given.dtype}")
    if given.shape != (m,):
        raise ValueError(f"p must have shape ({m},), got {given.shape}")
    values = given.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"p must be finite, got {values[~np.isfinite(values)][0]}")
    if (values < 0).any():
        raise ValueError(f"p must be nonnegative, got {values.min()}")
    total = float(values.sum())
    if total == 0:
        raise ValueError("p must have a positive entry, got zeros alone")
    if abs(total - 1) > 1e-8 * max(1, math.sqrt(m)):
        raise ValueError(f"p must have the sum 1, got {total}")
    return np.where(values > 0, np.maximum(1, np.floor(values * 2.0**40)), 0).astype(np.int64)


def _gather(xp: Any, A: Any, where: np.ndarray, axis: int) -> Any:
    """A at these places of an axis; the place behind the last one holds zeros."""
    from array_api_compat import device

    length = A.shape[axis]
    if len(where) and where.max() == length:
        shape = (*A.shape[:axis], 1, *A.shape[axis + 1 :])
        A = xp.concat([A, xp.zeros(shape, dtype=A.dtype, device=device(A))], axis=axis)
    return xp.take(A, xp.asarray(where, device=device(A)), axis=axis)


def _column(xp: Any, values: np.ndarray, A: Any, axis: int) -> Any:
    """Real numbers along an axis of A, as an array of its library."""
    shape = [1] * len(A.shape)
    shape[axis] = len(values)
    return xp.reshape(_as_library(xp, values[None], A), tuple(shape))


def _write(result: Any, out: Any, accumulate: bool, A: Any) -> Any:
    validate.output(out, result.shape, result.dtype, A)
    out[...] = out + result if accumulate else result
    return out
