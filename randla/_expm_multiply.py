"""Action of the matrix exponential: the public function, and what serves one large matrix.

Batches of small dense matrices go to the core.  One large, sparse or abstract A goes through its
products alone: Chebyshev series where A is (skew-)Hermitian, Taylor polynomials otherwise.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._core import dispatch, operators, validate
from ._core.results import report, stack_reports
from ._expm import _working_dtype, expm


@dataclass(frozen=True)
class ExpmMultiplyInfo:
    """What `expm_multiply` did: numbers for one matrix, arrays of the batch's shape for a batch.

    Attributes
    ----------
    order : int or ndarray
        Terms of the polynomial in each step; 0 where ``exp(t A)`` itself was formed.
    steps : int or ndarray
        Steps, or squarings of ``exp(t A)``.
    products : int or ndarray
        Products of A with a block like B; with itself, where ``exp(t A)`` was formed.
    error_bound : float or ndarray
        Truncation: the result is ``exp(A t + dA) B``, but for rounding, with
        ``norm(dA) <= error_bound * max(1, norm(A t))``; for the Chebyshev series, of a normal A,
        the error of the result in the 2-norm over the largest that B could become, and for long
        steps of the Taylor series that of each column.  It rests on estimates of norms where A is
        an operator.
    """

    order: Any
    steps: Any
    products: Any
    error_bound: Any


def expm_multiply(
    A: Any, B: Any, *, t: Any = None, tol: float | None = None, return_info: bool = False
) -> Any:
    """Action of the matrix exponential, ``exp(t A) B``, mostly without forming ``exp(t A)``.

    Parameters
    ----------
    A : array_like, shape (..., n, n), sparse array, or operator
        Real or complex matrices, as for `expm`.  One sparse array or matrix, or one operator with
        ``shape``, ``dtype``, ``matmat`` and ``rmatmat`` (for estimates of norms), may take their
        place.
    B : array_like, shape (n,) or (..., n, p)
        A vector, or blocks of p of them; batches broadcast as in ``matmul``.  A sparse B is made
        dense.
    t : number or array_like, shape (T,), optional
        Times, of any sign and order, real or complex.  Several times add a leading axis to the
        result; for one matrix they share its products.
    tol : float, optional
        Bound of the relative backward error of truncation, inside (0, 1).  Default: the unit
        roundoff.
    return_info : bool, default False
        Also return an `ExpmMultiplyInfo`.

    Returns
    -------
    Y : array, shape (..., n) or (..., n, p)
        ``exp(t A) B``, always dense; with a leading axis if `t` is 1-d.  Complex if A, B or t is.
        A matrix or block with a NaN gives NaN, and leaves the others alone.
    info : ExpmMultiplyInfo
        Only if `return_info`.

    Raises
    ------
    ValueError
        If shapes do not fit, `tol` is outside (0, 1), or `t` has more than one dimension.
    TypeError
        If a dtype is not supported, an operator lacks ``rmatmat``, or arrays are of different
        libraries.

    See Also
    --------
    expm : The exponential itself.
    scipy.sparse.linalg.expm_multiply : One matrix at a time.

    Notes
    -----
    Taylor polynomials of degree m in each of s steps [1]_, m and s chosen for each matrix so that
    the backward error is below `tol`: 2 m s n^2 p flops.  Where that is more than ``exp(t A)``
    costs, it is formed.  A step spans at most a norm of 3.5 (8 for one large A, 6 for an operator),
    so that rounding errors of the terms stay within exp(3.5) u; it may span more where the
    logarithmic norm lets the result grow as fast as the terms, and stands if it did.  The products
    with one large A grow with norm(A t), without end; Ctrl-C ends them.

    One large A that is Hermitian or skew-Hermitian gets a Chebyshev series on the interval of its
    eigenvalues (by Gershgorin's circles): about norm(A t) products for large times instead of six
    times as many, and one run of them for all times.  A complex sparse A that is real or imaginary
    in truth, like ``-1j * H``, and imaginary times cost what a real A does.

    References
    ----------
    .. [1] A. H. Al-Mohy, N. J. Higham, "Computing the action of the matrix exponential, with an
       application to exponential integrators", SIAM J. Sci. Comput. 33 (2011), 488-511,
       doi:10.1137/100788860.

    Examples
    --------
    >>> import numpy as np, randla
    >>> A = np.array([[0.0, 1.0], [-1.0, 0.0]])  # rotation
    >>> randla.expm_multiply(A, [1.0, 0.0], t=[np.pi / 2, -np.pi]).round(12) + 0.0
    array([[ 0., -1.],
           [-1.,  0.]])

    A heat equation on 1000 points, without a matrix of 1000 x 1000:

    >>> import scipy.sparse as sp
    >>> n = 1000
    >>> L = sp.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n), format="csr")
    >>> u = randla.expm_multiply(L, np.eye(n)[n // 2], t=50.0)
    >>> round(float(u.sum()), 10)
    1.0
    """
    tol = validate.tolerance(tol)
    times = validate.times(t)
    if operators.is_operator(A):
        return _one_operator(A, B, times, tol, return_info)
    if operators.is_sparse(B):
        B = operators.sound("B", B).toarray()
    arrays = validate.numpy_arrays(A=A, B=B)
    if arrays is None:
        adapter = dispatch.adapter(A)
        if adapter is not None:
            return adapter.expm_multiply(A, B, t=t, tol=tol or None, return_info=return_info)
        return _reference(A, B, times, tol, return_info)
    A, B = arrays
    validate.factors(A.shape, B.shape)
    if times is not None and times.ndim == 1:
        if A.ndim == 2 and B.ndim <= 2 and _shares(A, times):
            return _one_operator(A, B, times, tol, return_info)
        if len(times) == 0:
            Y = np.empty((0, *_dense(A, B, None, 0.5, False)[0].shape), _dtype(A, B, times))
        parts = [_dense(A, B, time, tol, return_info) for time in times]
        Y = np.stack([part for part, _ in parts]) if parts else Y
        infos = [info for _, info in parts]
        return (Y, stack_reports(ExpmMultiplyInfo, infos)) if return_info else Y
    Y, info = _dense(A, B, times, tol, return_info)
    return (Y, info) if return_info else Y


def _shares(A: np.ndarray, times: np.ndarray) -> bool:
    """Whether products with A, about norm(A t) of them, beat an exponential for each time."""
    with np.errstate(all="ignore"):
        end = np.abs(times[np.isfinite(times)]).max(initial=0)
        reach = np.abs(A).sum(axis=0).max(initial=0) * end
    return bool(reach <= 1e5)  # not for NaN either: that is the core's


def _dtype(A: np.ndarray, B: np.ndarray, times: np.ndarray | None) -> np.dtype:
    """Dtype of the result; a real t does not widen it."""
    dtype = validate.common_dtype(("A", A), ("B", B))
    if times is not None and times.dtype.kind == "c":
        dtype = np.result_type(dtype, np.complex64)
    return dtype


def _dense(
    A: np.ndarray, B: np.ndarray, t: np.ndarray | None, tol: float, return_info: bool
) -> tuple[np.ndarray, ExpmMultiplyInfo | None]:
    """One time for batches of dense matrices: the core."""
    dtype = _dtype(A, B, t)
    char = validate.compute_char("A", dtype)
    n = A.shape[-1]
    vector = B.ndim == 1
    blocks = B[:, None] if vector else B
    p = blocks.shape[-1]
    batch = validate.broadcast(("A", A.shape[:-2]), ("B", blocks.shape[:-2]))
    validate.fits_memory("A", (*batch, n, n), np.dtype(char))
    validate.fits_memory("B", (*batch, n, p), np.dtype(char))
    if t is not None:
        with np.errstate(all="ignore"):  # a time that is not finite gives NaN
            A = A.astype(char) * np.asarray(t).astype(char if np.iscomplexobj(t) else char.lower())
    count = math.prod(batch)
    binding = dispatch.backend("numpy").expm
    Y = np.empty((count, n, p), char)
    table = np.zeros(count, binding.MULTIPLY_INFO) if return_info else None
    if Y.size:
        a = validate.packed(np.broadcast_to(A, (*batch, n, n)), char)
        b = validate.packed(np.broadcast_to(blocks, (*batch, n, p)), char)
        binding.multiply(a.reshape(count, n, n), b.reshape(count, n, p), tol, Y, table)
    Y = Y.reshape((*batch, n) if vector else (*batch, n, p))
    Y = Y if Y.dtype == dtype else Y.astype(dtype)
    if table is None:
        return Y, None
    return Y, report(ExpmMultiplyInfo, table, batch)


def _reference(A: Any, B: Any, times: np.ndarray | None, tol: float, return_info: bool) -> Any:
    """Form the exponential, on operations of the array library; CuPy has a kernel for small A."""
    xp = dispatch.namespace(A)
    validate.factors(tuple(A.shape), tuple(B.shape))
    dtype = xp.result_type(A, B)
    if times is not None and times.dtype.kind == "c":
        dtype = xp.result_type(dtype, xp.complex64)
    dtype, working = _working_dtype(xp, "A", dtype)
    A, B = xp.astype(A, working), xp.astype(B, working)
    kernel = dispatch.kind_of(A) == "cupy" and _served_by_cupy(A, B)

    def one(time: Any) -> tuple[Any, ExpmMultiplyInfo]:
        scaled = A if time is None else A * time.item()
        if kernel:
            Y, info = _one_cupy(xp.astype(scaled, working), B, tol, return_info)
            return xp.astype(Y, dtype), info
        E, info = expm(scaled, tol=tol or None, return_info=True)
        none = info.order * 0
        done = ExpmMultiplyInfo(none, info.scaling, info.products, info.error_bound)
        return xp.astype(xp.matmul(E, B), dtype), done

    if times is None or times.ndim == 0:
        Y, info = one(times)
        return (Y, info) if return_info else Y
    parts = [one(time) for time in times]
    empty = xp.zeros((0, *xp.matmul(A, B).shape), dtype=dtype)
    Y = xp.stack([part for part, _ in parts]) if parts else empty
    infos = [info for _, info in parts]
    return (Y, stack_reports(ExpmMultiplyInfo, infos)) if return_info else Y


def _served_by_cupy(A: Any, B: Any) -> bool:
    served: bool = dispatch.backend("cupy").expm.serves(A.shape[-1], A.dtype.char)
    return served and A.size > 0 and B.size > 0


def _one_cupy(A: Any, B: Any, tol: float, return_info: bool) -> tuple[Any, Any]:
    vector = B.ndim == 1
    blocks = B[:, None] if vector else B
    batch = validate.broadcast(("A", A.shape[:-2]), ("B", blocks.shape[:-2]))
    multiply = dispatch.backend("cupy").expm_multiply.multiply
    Y, table = multiply(A, blocks, batch, A.dtype.char, tol, return_info)
    Y = Y.reshape((*batch, *B.shape[-1:]) if vector else (*batch, *blocks.shape[-2:]))
    return Y, None if table is None else report(ExpmMultiplyInfo, table, batch)


# ---- one matrix through its products -------------------------------------------------------------


def _one_operator(A: Any, B: Any, times: np.ndarray | None, tol: float, return_info: bool) -> Any:
    if operators.is_sparse(B):
        B = operators.sound("B", B).toarray()
    arrays = validate.numpy_arrays(B=B)
    if arrays is None:
        raise TypeError(f"B must be a NumPy array beside such an A, got {type(B).__name__}")
    (B,) = arrays
    validate.factors(tuple(A.shape), B.shape)
    if B.ndim > 2:
        raise ValueError(f"B must have shape (n,) or (n, p) for one A, got {B.shape}")
    several = times is not None and times.ndim == 1
    values = np.array([1.0]) if times is None else np.atleast_1d(times)
    operator = operators.Operator(A)
    dtype = _dtype(A if isinstance(A, np.ndarray) else np.empty(0, operator.dtype), B, times)
    char = validate.compute_char("A", dtype)
    unit = float(np.finfo(char).eps) / 2
    # beside real entries a real B stays real for as long as it can
    stays = operator.real and B.dtype.kind != "c"
    block = validate.packed(B[:, None] if B.ndim == 1 else B, char.lower() if stays else char)
    Y = np.zeros((len(values), *block.shape), char)
    info = _action(operator, block, values, max(tol, unit), Y)
    Y = Y.reshape(len(values), *B.shape).astype(dtype, copy=False)
    Y = Y if several else Y[0]
    return (Y, info) if return_info else Y


def _action(
    A: operators.Operator, B: np.ndarray, times: np.ndarray, tol: float, Y: np.ndarray
) -> ExpmMultiplyInfo:
    """exp(t A) B for each time into Y, shape (T, n, p)."""
    A.products = 0
    if Y.size == 0:
        return ExpmMultiplyInfo(0, 0, 0, 0.0)
    times = times.astype(np.result_type(times.dtype, np.float64))  # differences of half precision
    known = np.isfinite(times)
    Y[~known] = np.nan
    times, phase = np.where(known, times, 0), A.phase
    real = bool((times.imag == 0).all())
    if A.entries is not None and not real and not times.real.any():
        real, times, phase = True, times.imag, 1j * phase
    if np.real(phase) < 0:
        times, phase = -times, 1
    if not real:
        B = B.astype(Y.dtype, copy=False)
    with np.errstate(all="ignore"):
        reach = A.norm(A.mean_eigenvalue()) * np.abs(times).max(initial=0) if A.finite() else np.nan
    if not math.isfinite(reach):
        Y[...] = np.nan
        return ExpmMultiplyInfo(0, 0, 0, math.nan)
    interval = A.interval() if real else None
    order = steps = 0
    if real:  # outwards from 0 on both sides
        times = np.real(times)
        rays = [(1.0, known & (times >= 0)), (-1.0, known & (times < 0))]
    else:
        each = np.arange(len(times))
        rays = [(t / abs(t) if t else 1.0, known & (each == i)) for i, t in enumerate(times)]
    for direction, where in rays:
        at = np.flatnonzero(where)
        if len(at) == 0:
            continue
        lengths = np.abs(times[at])
        if interval is not None:
            sign = float(np.real(direction))
            m, s = _chebyshev(A, interval, phase, B, sign, lengths, tol, Y, at)
        else:
            m, s = _taylor(A, B, direction * phase, lengths, tol, Y, at)
        order, steps = max(order, m), steps + s
    return ExpmMultiplyInfo(order, steps, A.products, tol)


# exp(t phase M) with real entries M, phase 1 or 1j: a complex block is twice as many real columns,
# and powers of 1j leave two real sums, of the even and of the odd terms.


def _columns(A: operators.Operator, B: np.ndarray, real: bool) -> np.ndarray:
    """B, as real columns if that is possible."""
    split = A.real and real and B.dtype.kind == "c"
    return B.view(B.real.dtype) if split else B


def _joined(parts: list[np.ndarray], B: np.ndarray) -> np.ndarray:
    """A result for B from sums for its columns: their value, or even + 1j * odd."""
    if B.dtype.kind == "c":
        parts = [part.view(B.dtype) for part in parts]
    return parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]


def _largest(V: np.ndarray) -> np.ndarray:
    """The largest modulus in each column."""
    if V.dtype.kind == "c":
        return np.asarray(np.abs(V).max(axis=0))
    if V.shape[1] == 1:  # along memory
        return np.atleast_1d(np.maximum(V.ravel().max(), -V.ravel().min()))
    return np.asarray(np.maximum(V.max(axis=0), -V.min(axis=0)))


# Larger arguments are cut: roundings of a Chebyshev recurrence grow with its length.
_SPAN = {1: 1000.0, -1: 128.0}
# Where exp(t A) B is much smaller than B, roundings of the size of B would stay in it.  A short
# first piece, of norm 4 and at most a quarter of all, takes most of what decays away.
_FIRST = 4.0


def _chebyshev(
    A: operators.Operator,
    interval: tuple[complex, float, int],
    phase: complex,
    B: np.ndarray,
    sign: float,
    lengths: np.ndarray,
    tol: float,
    Y: np.ndarray,
    at: np.ndarray,
) -> tuple[int, int]:
    """exp(sign * length * phase * A) B into Y[at], A Hermitian or skew-Hermitian."""
    _, radius, kind = interval
    growing = kind if phase == 1 else -kind
    span = float(lengths.max())
    first = 0.0
    if growing == 1 and span * radius >= 2 and tol < 1e3 * np.finfo(Y.dtype).eps:
        first = min(_FIRST / radius, span / 4)
    pieces = max(1, math.ceil((span - first) * radius / _SPAN[growing]))
    edges = np.linspace(first, span, pieces + 1)[0 if first else 1 :]
    piece = np.searchsorted(edges[:-1] * (1 + 1e-15), lengths)
    order = steps = 0
    F, begin = B, 0.0
    for q, end in enumerate(edges):
        inside = np.flatnonzero(piece == q)
        wanted = lengths[inside] - begin
        if q < len(edges) - 1:
            wanted = np.append(wanted, end - begin)
        results, m, s = _series(A, interval, phase, F, wanted * sign, tol / len(edges))
        Y[at[inside]] = results[: len(inside)]
        F, begin = results[-1], end
        order, steps = max(order, m), steps + s
    return order, steps


def _series(
    A: operators.Operator,
    interval: tuple[complex, float, int],
    phase: complex,
    B: np.ndarray,
    times: np.ndarray,
    tol: float,
) -> tuple[np.ndarray, int, int]:
    """Chebyshev series of exp(t phase A) B for several t.

    exp(t r X) = sum_k a_k I_k(t r) T_k(X),  exp(i t r X) = sum_k a_k i^k J_k(t r) T_k(X),
    a_0 = 1, a_k = 2.  S_k = T_k(X), or i^k T_k(X), which is real for real A, obey
    S_(k+1) = 2 X' S_k -+ S_(k-1), X' = (A - c) / r, and serve all times.  A phase of i makes one
    function of the other, and its powers stand in the sums.
    """
    center, radius, kind = interval
    growing = kind if phase == 1 else -kind
    rho = np.abs(times) * radius
    last = _terms(float(rho.max()), growing, tol)
    C = _bessel(growing, rho, last)
    C[:, 1:] *= 2
    C[times < 0, 1::2] *= -1
    X = _columns(A, B, True)
    halves = 2 if phase != 1 and X.dtype.kind != "c" else 1
    with np.errstate(all="ignore"):  # what is out of range is found below
        factor = np.exp(times * (center * phase) + (rho if growing == 1 else 0))
        growth = np.abs(factor)
        if phase != 1:
            powers = np.array([1, 1, -1, -1] if halves == 2 else [1, 1j, -1, -1j])
            C = C * powers[np.arange(last + 1) % 4]
        later = None
        if not np.imag(factor).any():
            C = C * np.real(factor)[:, None]
        elif X.dtype.kind == "c":
            C = C * factor[:, None]
        else:
            later = factor
        C = C.astype(X.dtype)
    A.expect(X, last, center)
    if len(times) == 1 or np.allclose(times, times[0], rtol=1e-15, atol=0):
        totals = [X * C[0, 0], *(np.zeros_like(X) for _ in range(halves - 1))]
        before: np.ndarray | None = None
        now = X
        for k in range(1, last + 1):
            double = 1 if k == 1 else 2
            after = A.step(
                now,
                double / radius,
                center,
                before,
                -kind,
                totals[k % halves],
                C[0, k],
                out=None if before is X else before,
            )
            before, now = now, after
        Y = _joined(totals, B)[None]
        Y = Y if len(times) == 1 else np.repeat(Y, len(times), axis=0)
    else:
        sums = np.zeros((halves, len(times), X.size), X.dtype)
        for begin, terms in _blocks(A, center, radius, kind, X, last):
            flat = terms.reshape(len(terms), -1)
            for q in range(halves):
                skip = (q - begin) % halves
                some = C[:, begin + skip : begin + len(terms) : halves]
                _add(sums[q], some, flat[skip::halves])
        Y = _joined([part.reshape(len(times), *X.shape) for part in sums], B)
    if later is not None:
        Y = Y * later.astype(Y.dtype)[:, None, None]
    if growing == -1:
        return Y, last, 1
    # Gershgorin's circles may be far wider than the spectrum, and the terms then far larger than
    # the result, or beyond the range: two steps of half the time lose only the root of that.  Each
    # column for itself; one that is not finite has nothing to lose.
    size, depth = np.linalg.norm(B, axis=0), 1
    for i in range(len(times)):
        kept = np.linalg.norm(Y[i], axis=0) >= 1e-3 * growth[i] * size
        if rho[i] < 1 or (kept | ~np.isfinite(size)).all():
            continue
        half = np.array([times[i] / 2])
        middle, *_ = _series(A, interval, phase, B, half, tol / 2)
        end, _, more = _series(A, interval, phase, middle[0], half, tol / 2)
        Y[i] = end[0]
        depth = max(depth, 2 * more)
    return Y, last, depth


def _terms(rho: float, growing: int, tol: float) -> int:
    """Number of the last term: what follows is below tol in sum."""
    from scipy.special import ive, jv

    if rho == 0:
        return 0
    digits = math.log(1 / tol)
    reach = math.sqrt(2 * rho * (digits + 10)) if growing == 1 else 1.5 * rho
    most = int(reach + 60 + 10 * digits)
    k = np.arange(most + 1)
    size = 2 * np.abs(ive(k, rho) if growing == 1 else jv(k, rho))
    tail = np.cumsum(size[::-1])[::-1]  # from term k on
    small = np.flatnonzero(tail <= tol / 4)
    return max(int(small[0]) - 1, 0) if len(small) else most


def _bessel(growing: int, rho: np.ndarray, last: int) -> np.ndarray:
    """e^-rho I_k(rho), or J_k(rho) if not growing, for k = 0 ... last; shape (len(rho), last + 1).

    Miller's algorithm: the recurrence from far above downwards, then
    e^-rho (I_0 + 2 sum I_k) = 1, or J_0^2 + 2 sum J_k^2 = 1.  An error here is an error of the
    result; the general functions of SciPy lose a digit at rho = 30.
    """
    start = last + 30 + int(last ** (1 / 3))
    rho = np.asarray(rho, np.float64)
    tiny = rho < 1e-8
    two = 2 / np.where(tiny, 1.0, rho)
    C = np.zeros((len(rho), start + 2))
    C[:, start] = 1e-250
    for k in range(start, 0, -1):
        C[:, k - 1] = k * two * C[:, k] + growing * C[:, k + 1]
        large = np.abs(C[:, k - 1]) > 1e100
        if large.any():
            C[large, k - 1 :] *= 1e-250
    C /= np.abs(C).max(axis=1, keepdims=True)
    if growing == 1:
        C /= C[:, :1] + 2 * C[:, 1:].sum(axis=1, keepdims=True)
    else:
        C /= np.sqrt(C[:, :1] ** 2 + 2 * (C[:, 1:] ** 2).sum(axis=1, keepdims=True))
    if tiny.any():
        C[tiny] = 0
        C[tiny, :3] = np.stack([1 + 0 * rho, rho / 2, rho**2 / 8], axis=1)[tiny]
    return C[:, : last + 1]


def _blocks(
    A: operators.Operator, center: complex, radius: float, kind: int, B: np.ndarray, last: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Terms S_0 ... S_last in blocks: (number of the first, array (count, n, p))."""
    block = _block(B, last + 1)
    terms = np.empty((block, *B.shape), B.dtype)
    before: np.ndarray | None = None
    now = B
    for k in range(last + 1):
        if k > 0:
            double = 1 if k == 1 else 2
            after = A.step(
                now,
                double / radius,
                center,
                before,
                -kind,
                out=None if before is B else before,
            )
            before, now = now, after
        terms[k % block] = now
        if k % block == block - 1 or k == last:
            yield k - k % block, terms[: k % block + 1]


def _block(B: np.ndarray, count: int) -> int:
    """How many terms for several times are summed at once: enough for a matrix product."""
    return max(1, min(count, 64, 2**22 // max(B.size, 1)))


def _add(sums: np.ndarray, weights: np.ndarray, terms: np.ndarray) -> None:
    """Add weights @ terms to sums, in pieces that stay in the cache."""
    for i in range(0, terms.shape[1], 4096):
        sums[:, i : i + 4096] += weights @ terms[:, i : i + 4096]


# The norm that a step of the Taylor polynomial may span: roundings of its terms grow to e^8 u at
# most.
_STEP = 8.0
_BLIND = 6.0  # the same where no entries tell whether the result may be as small as e^-norm
# A step that spans more is one that need not lose more: where the logarithmic norm says that
# exp(t A) may grow nearly as fast as the bound of the terms.  Terms and result tell whether it did.
_LONGEST = {"d": 200.0, "f": 40.0}
_KEPT = 1e-3
# Estimates of norms of powers cost about a hundred products.
_WORTH_ESTIMATES = 250


def _taylor(
    A: operators.Operator,
    B: np.ndarray,
    omega: complex,
    lengths: np.ndarray,
    tol: float,
    Y: np.ndarray,
    at: np.ndarray,
) -> tuple[int, int]:
    """exp(omega * length * A) B into Y[at], lengths >= 0, abs(omega) = 1, by Taylor polynomials."""
    mu = A.center()
    end = float(lengths.max())
    bound = A.norm(mu, 1)  # of rows: that of largest entries, below
    drift = float(np.real(omega * mu))
    growth = A.growth(omega)
    longest = _LONGEST[Y.real.dtype.char]

    def plan(norm: float) -> tuple[float, int]:
        """The norm that one step spans, and the products of all."""
        loss = norm + drift - growth if growth is not None else norm * _STEP / _BLIND
        span = min(longest, _STEP * norm / loss) if loss > 0 else longest
        if _STEP < span < 2 * _STEP:  # not worth the risk that its result is too small
            span = _STEP
        count = max(1, math.ceil(norm * end / span))
        return norm * end / count, count * _degree(norm * end / count, tol, count)

    norm = A.norm(mu)  # of rows or of columns, which is less
    x, products = plan(norm)
    if products > _WORTH_ESTIMATES:
        better = A.norm_of_powers(mu)  # norm(X^k) <= better^k for the k that matter
        if better < norm and plan(better)[1] < products:
            norm, (x, products) = better, plan(better)
    h = x / norm if norm else end
    F, begin, used, steps = B, 0.0, 0, 0
    while True:
        count = max(1, math.ceil((end - begin) / h * (1 - 1e-12))) if h else 1
        length = (end - begin) / count
        stop = end if count == 1 else begin + length
        inside = np.flatnonzero((lengths <= stop) & ((lengths > begin) | (begin == 0)))
        between = inside[lengths[inside] < stop]
        parts = (lengths[between] - begin) / length if length else np.zeros(0)
        steps += 1
        k, result, outputs, kept = _taylor_step(
            A, F, omega, mu, length, parts, (norm, bound), tol, count
        )
        used = max(used, k)
        if not kept:
            h = length / 2  # less cancels, and less is lost
            continue
        for i, output, part in zip(between, outputs, parts, strict=True):
            Y[at[i]] = output * _exp(omega * mu * part * length)
        Y[at[inside[lengths[inside] == stop]]] = result
        F, begin = result, stop
        if count == 1:
            return used, steps


def _taylor_step(
    A: operators.Operator,
    B: np.ndarray,
    omega: complex,
    mu: complex,
    h: float,
    parts: np.ndarray,
    norms: tuple[float, float],
    tol: float,
    steps: int,
) -> tuple[int, np.ndarray, np.ndarray, bool]:
    """One step of length h, and unshifted sums for the given parts of it; the terms come first.

    Last whether it may stand: a long step must not leave less than _KEPT of its largest term.
    """
    norm, bound = norms
    omega = complex(omega)
    X = _columns(A, B, omega.imag == 0 or omega.real == 0)
    halves = 2 if X.dtype.kind != "c" and omega.imag != 0 else 1
    turn: complex = omega
    if X.dtype.kind != "c":
        turn = omega.imag if halves == 2 else omega.real
    order = most = _degree(norm * h, tol, steps)
    if bound > norm:  # more only where a norm was underestimated
        most = max(order, min(2 * order + 20, _degree(min(bound * h, 1e4), tol, steps)))
    A.expect(X, order, mu)
    totals = [X.copy(), *(np.zeros_like(X) for _ in range(halves - 1))]
    sums = np.zeros((halves, len(parts), X.size), X.dtype)
    block = _block(X, most + 1)
    terms = np.empty((block if len(parts) else 0, *X.shape), X.dtype)
    if len(parts):
        terms[0] = X
    term, spare = X, None
    k, long = 0, norm * h > _STEP * (1 + 1e-9)
    peak = whole = _largest(X)

    def add(first: int, last: int) -> None:
        """Sums of terms first ... last, i^k apart."""
        powers = parts[:, None] ** np.arange(first, last + 1)
        flat = terms[: last + 1 - first].reshape(last + 1 - first, -1)
        for q in range(halves):
            skip = (q - first) % halves
            signs = (-1.0) ** (np.arange(first, last + 1) // 2) if halves == 2 else 1.0
            some = (powers * signs)[:, skip::halves].astype(X.dtype)
            _add(sums[q], some, flat[skip::halves])

    while k < most:
        k += 1
        f = turn * h / k
        delta = 1.0 if halves == 1 else (-1.0) ** (k // 2)
        new = A.step(term, f, mu, W=totals[k % halves], delta=delta, out=spare)
        spare = None if term is X else term
        term = new
        if len(parts):
            terms[k % block] = term
            if k % block == block - 1:
                add(k - block + 1, k)
        # max |X^j v| <= bound^j max |v|: what follows is below a geometric series, column by column
        ratio = bound * h / (k + 1)
        if k < order and (k % 2 or (ratio > 0.9 and not long)):
            continue
        size = _largest(term)
        peak = np.maximum(peak, size)
        if k < order and ratio > 0.9:
            continue
        whole = np.max([_largest(total) for total in totals], axis=0)
        if ratio < 0.9 and (ratio / (1 - ratio) * size <= tol / 2 * whole).all():
            break
        if k >= order and not (size > tol / 4 * whole).any():
            break
    if len(parts) and k % block != block - 1:
        add(k - k % block, k)
    result = _joined(totals, B) * _exp(omega * mu * h)
    outputs = _joined([part.reshape(len(parts), *X.shape) for part in sums], B)
    kept = not long or bool(((whole >= _KEPT * peak) | ~np.isfinite(peak)).all())
    return k, result, outputs, kept


def _exp(x: complex) -> complex:
    """A number of Python's, which does not widen an array; real if x is."""
    x = complex(x)
    try:
        return cmath.exp(x) if x.imag else math.exp(x.real)
    except OverflowError:
        return math.inf


def _degree(x: float, tol: float, steps: int) -> int:
    """Least degree whose truncation is below tol for a step that spans the norm x.

    Backward, by the core's rule, e^x x^(m+1) / (m+1)! <= tol max(1 / steps, x); for long steps the
    rest of the series beside _KEPT e^x, the least result that such a step may have.
    """
    if x == 0:
        return 1
    if x <= _STEP:
        target = math.log(0.99 * min(tol, 0.01)) + math.log(max(1 / steps, x)) - x
    else:
        target = math.log(tol * _KEPT / 2 / steps) + x
    m = 1 if x <= _STEP else int(x)
    while (m + 1) * math.log(x) - math.lgamma(m + 2) > target:
        m += 1
    return m
