"""Interpolative and CUR decompositions: a matrix by some of its columns and rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._core import dispatch, validate
from ._core.random import Stream, as_stream
from ._core.results import Result
from ._qr import qr

#: Random vectors by which errors are estimated.
_PROBES = 8


@dataclass(frozen=True)
class InterpolativeInfo:
    """What a decomposition did.

    Attributes
    ----------
    method : str
        How the columns were chosen: a method of `qr`, or ``"sketch"`` with `fast`.
    error_estimate : float
        Estimate, by 8 random vectors, of the error relative to A in the Frobenius norm.
    """

    method: str
    error_estimate: float


class InterpolativeResult(Result):
    """Result of `interpolative`; unpacks as ``indices, coefficients``.

    Attributes
    ----------
    indices : array of int64, shape (k,)
        Which columns, or rows, of A stand for it, the most independent first.
    coefficients : array, shape (k, n) or (m, k)
        What they are multiplied with.
    rank : int
        Their number.
    info : InterpolativeInfo
        What was done.
    """

    _fields = ("indices", "coefficients")
    _extras = ("rank", "info")


class CURResult(Result):
    """Result of `cur`; unpacks as ``C, U, R``.

    Attributes
    ----------
    C : array, shape (m, k)
        Columns of A, ``A[:, columns]``.
    U : array, shape (k, k)
        The matrix for which C U R is nearest to A.
    R : array, shape (k, n)
        Rows of A, ``A[rows]``.
    rows, columns : array of int64, shape (k,)
        Which ones.
    rank : int
        Their number.
    info : InterpolativeInfo
        What was done.
    """

    _fields = ("C", "U", "R")
    _extras = ("rows", "columns", "rank", "info")


def interpolative(
    A: Any,
    k: int | None = None,
    *,
    rtol: float | None = None,
    axis: int = 1,
    fast: bool = False,
    rng: Any = None,
) -> Any:
    """Interpolative decomposition: ``A ~ A[:, indices] @ coefficients``.

    Columns are the pivots of `qr`; the coefficients of the chosen ones are an identity.

    Parameters
    ----------
    A : array_like, shape (m, n)
        A real or complex matrix, as for `qr`.
    k : int, optional
        Columns wanted, in ``[1, min(m, n)]``; fewer come where the rank of A is less.  Exactly one
        of `k` and `rtol` is given.
    rtol : float, optional
        As many columns as have pivots larger than `rtol` times the largest; in [0, 1).
    axis : {1, 0}, default 1
        0: rows are chosen, ``A ~ coefficients @ A[indices]``.
    fast : bool, default False
        Take columns and coefficients from a sketch of A, which is read once, and once more for the
        estimate of the error.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the sketch and of the probes.

    Returns
    -------
    InterpolativeResult
        ``indices, coefficients``, in the type of `A`, with attributes ``rank`` and ``info``.

    Raises
    ------
    ValueError
        If `A` is not two-dimensional, both or none of `k` and `rtol` are given, or one is out of
        range.
    TypeError
        If the dtype is not supported, or `k` is no integer.
    numpy.exceptions.AxisError
        If `axis` is neither 0 nor 1.
    numpy.linalg.LinAlgError
        If `A` has a NaN or an infinity.

    See Also
    --------
    cur : By columns and rows.
    scipy.linalg.interpolative : By a random projection or Householder's method.

    Notes
    -----
    With ``A[:, P] = Q [R11 R12; 0 R22]`` the coefficients of the other columns are
    ``R11^-1 R12``, and the error is ``norm(R22)`` [1]_.  The cost is that of `qr` with ``k``: a
    sketch of A, and ``4 m n k`` flops.  With `fast`, the factors are those of a sketch of ``4 k``
    (at least ``k + 8``) rows [2]_, at ``O(n k**2)`` beyond the sketch; the error is larger by some
    15 %.

    References
    ----------
    .. [1] H. Cheng, Z. Gimbutas, P. G. Martinsson, V. Rokhlin, "On the compression of low rank
       matrices", SIAM J. Sci. Comput. 26 (2005), doi:10.1137/030602678.
    .. [2] Y. Dong, P. G. Martinsson, "Simpler is better: a comparative study of randomized
       pivoting algorithms for CUR and interpolative decompositions", 2021, arXiv:2104.05877.

    Examples
    --------
    >>> import numpy as np, randla
    >>> generator = np.random.default_rng(0)
    >>> A = generator.standard_normal((300, 5)) @ generator.standard_normal((5, 80))
    >>> indices, coefficients = randla.interpolative(A, 5, rng=0)
    >>> indices.shape, coefficients.shape
    ((5,), (5, 80))
    >>> bool(np.allclose(A, A[:, indices] @ coefficients))
    True

    As many rows as a tolerance asks for:

    >>> result = randla.interpolative(A, rtol=1e-10, axis=0, rng=0)
    >>> result.rank, bool(np.allclose(A, result.coefficients @ A[result.indices]))
    (5, True)
    """
    A = _matrix(A)
    axis = validate.axis(axis, 2, "A")
    k, rtol = _wanted(tuple(A.shape), k, rtol)
    xp, stream = dispatch.namespace(A), as_stream(rng)
    M, dtype = _working(xp, A)
    M = M if axis == 1 else xp.matrix_transpose(M)
    indices, T, method = _columns(xp, M, k, rtol, bool(fast), stream)
    error = _error(xp, M, lambda X: xp.take(M, indices, axis=1) @ (T @ X), stream)
    rank = int(indices.shape[0])
    T = xp.astype(T if axis == 1 else xp.matrix_transpose(T), dtype)
    return InterpolativeResult(indices, T, rank=rank, info=InterpolativeInfo(method, error))


def cur(A: Any, k: int | None = None, *, rtol: float | None = None, rng: Any = None) -> Any:
    """CUR decomposition: ``A ~ C @ U @ R`` with columns C and rows R of A.

    Parameters
    ----------
    A : array_like, shape (m, n)
        A real or complex matrix, as for `qr`.
    k : int, optional
        Columns and rows wanted, in ``[1, min(m, n)]``; fewer come where the rank of A is less.
        Exactly one of `k` and `rtol` is given.
    rtol : float, optional
        As many as have pivots larger than `rtol` times the largest; in [0, 1).
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the sketch and of the probes.

    Returns
    -------
    CURResult
        ``C, U, R``, in the type of `A`, with attributes ``rows``, ``columns``, ``rank`` and
        ``info``.

    Raises
    ------
    ValueError
        If `A` is not two-dimensional, both or none of `k` and `rtol` are given, or one is out of
        range.
    TypeError
        If the dtype is not supported, or `k` is no integer.
    numpy.linalg.LinAlgError
        If `A` has a NaN or an infinity.

    See Also
    --------
    interpolative : By columns or rows alone.

    Notes
    -----
    Columns are the pivots of A, rows those of ``A[:, columns]^T``.  With QR factors of C and of
    ``R^H``, ``U = R_C^-1 (Q_C^H A Q_R) R_R^-H``: the best one, ``C^+ A R^+``, by two least squares;
    the inverse of the block where they cross would lose half of the digits.  The cost is that of
    `interpolative` and ``2 m n k`` flops.

    References
    ----------
    .. [1] M. W. Mahoney, P. Drineas, "CUR matrix decompositions for improved data analysis", PNAS
       106 (2009), doi:10.1073/pnas.0803205106.

    Examples
    --------
    >>> import numpy as np, randla
    >>> generator = np.random.default_rng(0)
    >>> A = generator.standard_normal((300, 5)) @ generator.standard_normal((5, 80))
    >>> result = randla.cur(A, 5, rng=0)
    >>> C, U, R = result
    >>> bool(np.allclose(A, C @ U @ R)), bool((C == A[:, result.columns]).all())
    (True, True)
    """
    A = _matrix(A)
    k, rtol = _wanted(tuple(A.shape), k, rtol)
    xp, stream = dispatch.namespace(A), as_stream(rng)
    M, dtype = _working(xp, A)
    columns, _, method = _columns(xp, M, k, rtol, False, stream)
    C = xp.take(M, columns, axis=1)
    rank = int(columns.shape[0])
    if rank:
        left, triangle = qr(C, rng=stream.advance())
        rows = qr(xp.matrix_transpose(C), pivoting=True, rng=stream.advance(2)).P[:rank]
        R = xp.take(M, rows, axis=0)
        right, other = qr(_adjoint(xp, R), rng=stream.advance(3))
        middle = _adjoint(xp, left) @ (M @ right)
        # U = R_C^-1 middle R_R^-H
        U = _adjoint(xp, _solve(xp, other, _adjoint(xp, _solve(xp, triangle, middle))))
    else:
        rows, R = columns, M[:0, ...]
        U = C[:0, ...]
    error = _error(xp, M, lambda X: C @ (U @ (R @ X)), stream)
    return CURResult(
        *(xp.astype(X, dtype) for X in (C, U, R)),
        rows=rows,
        columns=columns,
        rank=rank,
        info=InterpolativeInfo(method, error),
    )


# ---- checks --------------------------------------------------------------------------------------


def _matrix(A: Any) -> Any:
    arrays = validate.numpy_arrays(A=A)
    A = A if arrays is None else arrays[0]
    if len(A.shape) != 2:
        raise ValueError(f"A must have shape (m, n), got {tuple(A.shape)}")
    return A


def _wanted(
    shape: tuple[int, ...], k: int | None, rtol: float | None
) -> tuple[int | None, float | None]:
    if (k is None) == (rtol is None):
        raise ValueError(f"exactly one of k and rtol must be given, got k={k} and rtol={rtol}")
    if k is not None:
        k = validate.integer("k", k)
        validate.inside("k", k, 1, min(shape), f" = [1, min(m, n)] for A of shape {shape}")
        return k, None
    return None, validate.fraction("rtol", rtol)


def _working(xp: Any, A: Any) -> tuple[Any, Any]:
    """A in the dtype that computes, and the dtype of the result."""
    if isinstance(A, np.ndarray):
        char = validate.compute_char("A", A.dtype)
        narrow = A.dtype.char == "e" or A.dtype.name == "bfloat16"
        return A.astype(char, copy=False), A.dtype if narrow else np.dtype(char)
    dtype = xp.float64 if xp.isdtype(A.dtype, ("bool", "integral")) else A.dtype
    working = xp.float32 if "float16" in str(dtype) else dtype
    return xp.astype(A, working, copy=False), dtype


# ---- algorithm -----------------------------------------------------------------------------------


def _adjoint(xp: Any, X: Any) -> Any:
    T = xp.matrix_transpose(X)
    return xp.conj(T) if xp.isdtype(X.dtype, "complex floating") else T


def _solve(xp: Any, R: Any, B: Any) -> Any:
    """R^-1 B for a triangle R."""
    if isinstance(B, np.ndarray):
        X = np.array(B.T, order="C")
        packed = np.ascontiguousarray(R.T)
        dispatch.backend("numpy").qr_lstsq.triangular_solve(X.dtype.char, False, packed, X)
        return X.T
    if dispatch.kind_of(B) == "cupy":
        return dispatch.backend("cupy").qr_lstsq.triangular_solve(R, B, False)
    return xp.linalg.solve(R, B)


def _columns(
    xp: Any, A: Any, k: int | None, rtol: float | None, fast: bool, stream: Stream
) -> tuple[Any, Any, str]:
    """Indices of columns, the coefficients of all, and how they were found."""
    from array_api_compat import device

    m, n = A.shape
    if 0 in (m, n):
        nothing = xp.zeros((0,), dtype=xp.int64, device=device(A))
        return nothing, xp.zeros((0, n), dtype=A.dtype, device=device(A)), "householder"
    method = "sketch"
    if fast:
        from .sketch import SparseSign

        d = max(4 * k, k + 8) if k else 2 * n
        if d < m:
            A = SparseSign(d, m, rng=stream) @ A
    # by blocks or by LAPACK, the pivots of a sketch are its own
    result = qr(A, pivoting=True, mode="truncated", k=k, rtol=rtol, rng=stream.advance())
    if not fast:
        method = result.info.method
    R, P = result.R, result.P
    rank = R.shape[0]
    identity = xp.eye(rank, dtype=R.dtype, device=device(R))
    rest = R[:, rank:]
    if rank and rank < n:
        rest = _solve(xp, R[:, :rank], rest)
    T = xp.concat([identity, rest], axis=1)
    return P[:rank], xp.take(T, xp.argsort(P), axis=1), method


def _error(xp: Any, A: Any, apply: Any, stream: Stream) -> float:
    """norm(A - approximation) / norm(A) in the Frobenius norm, by Gaussian vectors."""
    from array_api_compat import device

    m, n = A.shape
    largest = float(xp.max(xp.abs(A))) if m and n else 0.0
    if not largest:
        return 0.0
    # squares stay inside of the range
    scale = 2.0 ** min(max(-math.frexp(largest)[1], -1000), 1000)
    if float(xp.finfo(A.dtype).eps) > 1e-10:
        scale = min(max(scale, 2.0**-120), 2.0**120)
    norm = float(xp.linalg.matrix_norm(A * scale))
    kind = dispatch.backend("numpy").core.kinds()["QR_RESIDUAL"]
    probes = np.empty((_PROBES, n), np.float64)
    for i, row in enumerate(probes):
        dispatch.backend("numpy").core.draw("normal", stream.key, stream.offset, kind, i, 0, row)
    X = xp.asarray(np.ascontiguousarray(probes.T), device=device(A))
    single = float(xp.finfo(A.dtype).eps) > 1e-10
    X = xp.astype(xp.astype(X, xp.float32) if single else X, A.dtype)
    difference = A @ (X * scale) - apply(X * scale)
    return float(xp.linalg.matrix_norm(difference)) / norm / math.sqrt(_PROBES)
