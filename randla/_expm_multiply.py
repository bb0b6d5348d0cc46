"""Action of the matrix exponential: the public function, and what serves one large matrix.

Batches of small dense matrices go to the core.  One large, sparse or abstract A goes through its
products alone: Chebyshev series where A is (skew-)Hermitian, Taylor polynomials otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._core import dispatch, operators, validate
from ._core.results import report, stack_reports
from ._expm import expm


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
        the error of the result in the 2-norm over the largest that B could become.  It rests on
        estimates of norms where A is an operator.
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
    costs, it is formed.  A step spans at most a norm of 3.5 (6 for one large A), so that rounding
    errors of the terms stay within exp(3.5) u.  The products with one large A grow with norm(A t),
    without end; Ctrl-C ends them.

    One large A that is Hermitian or skew-Hermitian gets a Chebyshev series on the interval of its
    eigenvalues (by Gershgorin's circles): about norm(A t) products for large times instead of six
    times as many, and one run of them for all times.

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
    adapter = dispatch.adapter(A)
    if adapter is not None:
        return adapter.expm_multiply(A, B, t=t, tol=tol or None, return_info=return_info)
    if arrays is None:
        return _reference(A, B, times, tol, return_info)
    A, B = arrays
    _check_shapes(A.shape, B.shape)
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


def _check_shapes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    validate.square("A", a)
    if not b:
        raise ValueError("B must have shape (n,) or (..., n, p), got 0 dimensions")
    rows = b[0] if len(b) == 1 else b[-2]
    if rows != a[-1]:
        raise ValueError(f"A and B must have the same n, got shapes {a} and {b}")


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
        a = np.ascontiguousarray(np.broadcast_to(A, (*batch, n, n)), dtype=char)
        b = np.ascontiguousarray(np.broadcast_to(blocks, (*batch, n, p)), dtype=char)
        binding.multiply(a.reshape(count, n, n), b.reshape(count, n, p), tol, Y, table)
    Y = Y.reshape((*batch, n) if vector else (*batch, n, p))
    Y = Y if Y.dtype == dtype else Y.astype(dtype)
    if table is None:
        return Y, None
    return Y, report(ExpmMultiplyInfo, table, batch)


def _reference(A: Any, B: Any, times: np.ndarray | None, tol: float, return_info: bool) -> Any:
    """Form the exponential, on the operations of the array library."""
    xp = dispatch.namespace(A)
    _check_shapes(tuple(A.shape), tuple(B.shape))
    dtype = xp.result_type(A, B)
    if times is not None and times.dtype.kind == "c":
        dtype = xp.result_type(dtype, xp.complex64)
    if xp.isdtype(dtype, ("bool", "integral")):
        dtype = xp.float64
    working = xp.float32 if "float16" in str(dtype) else dtype
    A, B = xp.astype(A, working), xp.astype(B, working)

    def one(time: Any) -> tuple[Any, ExpmMultiplyInfo]:
        scaled = A if time is None else A * time.item()
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


# ---- one matrix through its products -------------------------------------------------------------


def _one_operator(A: Any, B: Any, times: np.ndarray | None, tol: float, return_info: bool) -> Any:
    if operators.is_sparse(B):
        B = operators.sound("B", B).toarray()
    arrays = validate.numpy_arrays(B=B)
    if arrays is None:
        raise TypeError(f"B must be a NumPy array beside such an A, got {type(B).__name__}")
    (B,) = arrays
    _check_shapes(tuple(A.shape), B.shape)
    if B.ndim > 2:
        raise ValueError(f"B must have shape (n,) or (n, p) for one A, got {B.shape}")
    several = times is not None and times.ndim == 1
    values = np.array([1.0]) if times is None else np.atleast_1d(times)
    operator = operators.Operator(A)
    dtype = _dtype(A if isinstance(A, np.ndarray) else np.empty(0, operator.dtype), B, times)
    char = validate.compute_char("A", dtype)
    unit = float(np.finfo(char).eps) / 2
    block = np.ascontiguousarray(B[:, None] if B.ndim == 1 else B, dtype=char)
    Y, info = _action(operator, block, values, max(tol, unit))
    Y = Y.reshape(len(values), *B.shape).astype(dtype, copy=False)
    Y = Y if several else Y[0]
    return (Y, info) if return_info else Y


def _action(
    A: operators.Operator, B: np.ndarray, times: np.ndarray, tol: float
) -> tuple[np.ndarray, ExpmMultiplyInfo]:
    """exp(t A) B for each time; shape (T, n, p)."""
    A.products = 0
    Y = np.zeros((len(times), *B.shape), B.dtype)
    if Y.size == 0:
        return Y, ExpmMultiplyInfo(0, 0, 0, 0.0)
    known = np.isfinite(times)
    Y[~known] = np.nan
    mu = A.mean_eigenvalue()
    with np.errstate(over="ignore"):
        reach = A.norm(mu) * np.abs(times[known]).max(initial=0) if A.finite() else math.nan
    if not math.isfinite(reach):
        Y[...] = np.nan
        return Y, ExpmMultiplyInfo(0, 0, 0, math.nan)
    real = bool((times[known].imag == 0).all())
    interval = A.interval() if real else None
    order = steps = 0
    if real:  # outwards from 0 on both sides
        rays = [(1.0, known & (times.real >= 0)), (-1.0, known & (times.real < 0))]
    else:
        each = np.arange(len(times))
        rays = [(t / abs(t) if t else 1.0, known & (each == i)) for i, t in enumerate(times)]
    for direction, where in rays:
        at = np.flatnonzero(where)
        if len(at) == 0:
            continue
        lengths = np.abs(times[at])
        if interval is not None:
            m, s = _chebyshev(A, interval, B, np.real(direction), lengths, tol, Y, at)
        else:
            m, s = _taylor(A, B, direction, lengths, tol, Y, at)
        order, steps = max(order, m), steps + s
    return Y, ExpmMultiplyInfo(order, steps, A.products, tol)


# Larger arguments are cut: roundings of a Chebyshev recurrence grow with its length.
_SPAN = {1: 1000.0, -1: 128.0}


def _chebyshev(
    A: operators.Operator,
    interval: tuple[complex, float, int],
    B: np.ndarray,
    sign: float,
    lengths: np.ndarray,
    tol: float,
    Y: np.ndarray,
    at: np.ndarray,
) -> tuple[int, int]:
    """exp(sign * length * A) B into Y[at], A = c + r X or c + i r X, X Hermitian, norm(X) <= 1."""
    _, radius, kind = interval
    span = float(lengths.max())
    pieces = max(1, math.ceil(span * radius / _SPAN[kind]))
    h = span / pieces
    order = steps = 0
    F, begin = B, 0.0
    piece = np.clip(np.ceil(lengths / h * (1 - 1e-15)) if h else lengths, 1, pieces).astype(int)
    for q in range(1, pieces + 1):
        inside = np.flatnonzero(piece == q)
        wanted = np.append(lengths[inside] - begin, h) * sign
        results = np.zeros((len(wanted), *B.shape), B.dtype)
        m, s = _series(A, interval, F, wanted, tol / pieces, results)
        Y[at[inside]] = results[:-1]
        F, begin = results[-1], q * h
        order, steps = max(order, m), steps + s
    return order, steps


def _series(
    A: operators.Operator,
    interval: tuple[complex, float, int],
    B: np.ndarray,
    times: np.ndarray,
    tol: float,
    Y: np.ndarray,
) -> tuple[int, int]:
    """Chebyshev series of exp(t A) B for several t, added to Y.

    exp(t r X) = sum_k a_k I_k(t r) T_k(X),  exp(i t r X) = sum_k a_k i^k J_k(t r) T_k(X),
    a_0 = 1, a_k = 2.  S_k = T_k(X), or i^k T_k(X), which is real for real A, obey
    S_(k+1) = 2 X' S_k -+ S_(k-1), X' = (A - c) / r, and serve all times.
    """
    from scipy.special import ive, jv

    center, radius, kind = interval
    rho = np.abs(times) * radius
    last = _terms(float(rho.max()), kind, tol, ive, jv)
    k = np.arange(last + 1)
    with np.errstate(all="ignore"):  # what is out of range is found below
        if kind == 1:  # ive: e^-rho I_k
            C = ive(k, rho[:, None])
            factor = growth = np.exp(times * np.real(center) + rho)
        else:
            C = jv(k, rho[:, None])
            factor, growth = np.exp(times * center), np.ones(len(times))
    C[:, 1:] *= 2
    C[times < 0, 1::2] *= -1
    C = (C * factor[:, None]) if np.iscomplexobj(Y) else C * np.real(factor)[:, None]
    with np.errstate(all="ignore"):
        C = C.astype(Y.dtype)

    flat = Y.reshape(len(times), -1)
    if len(times) == 1 or np.allclose(times, times[0], rtol=1e-15, atol=0):
        total = B * C[0, 0]
        before: np.ndarray | None = None
        now = B
        for j in range(last):
            double = 1 if j == 0 else 2
            after = A.step(
                now, double / radius, -double * center / radius, before, -kind, total, C[0, j + 1]
            )
            before, now = now, after
        flat += total.reshape(1, -1)
    else:
        for begin, terms in _blocks(A, center, radius, kind, B, last):
            flat += C[:, begin : begin + len(terms)] @ terms.reshape(len(terms), -1)
    # Gershgorin's circles may be far wider than the spectrum, and the terms then far larger than
    # the result, or beyond the range: two steps of half the time lose only the root of that.  Each
    # column for itself; one that is not finite has nothing to lose.
    size, depth = np.linalg.norm(B, axis=0), 1
    for i in range(len(times)):
        kept = np.linalg.norm(Y[i], axis=0) >= 1e-3 * growth[i] * size
        if rho[i] < 1 or (kept | ~np.isfinite(size)).all():
            continue
        half = np.array([times[i] / 2])
        middle, end = np.zeros_like(Y[:1]), np.zeros_like(Y[:1])
        _series(A, interval, B, half, tol / 2, middle)
        _, more = _series(A, interval, middle[0], half, tol / 2, end)
        Y[i] = end[0]
        depth = max(depth, 2 * more)
    return last, depth


def _terms(rho: float, kind: int, tol: float, ive: Any, jv: Any) -> int:
    """Number of the last term: what follows is below tol in sum."""
    if rho == 0:
        return 0
    digits = math.log(1 / tol)
    reach = math.sqrt(2 * rho * (digits + 10)) if kind == 1 else 1.5 * rho
    most = int(reach + 60 + 10 * digits)
    k = np.arange(most + 1)
    size = 2 * np.abs(ive(k, rho) if kind == 1 else jv(k, rho))
    tail = np.cumsum(size[::-1])[::-1]  # from term k on
    small = np.flatnonzero(tail <= tol / 4)
    return max(int(small[0]) - 1, 0) if len(small) else most


def _blocks(
    A: operators.Operator, center: complex, radius: float, kind: int, B: np.ndarray, last: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Terms S_0 ... S_last in blocks: (number of the first, array (count, n, p))."""
    block = max(1, min(last + 1, 16, 2**22 // max(B.size, 1)))
    terms = np.empty((block, *B.shape), B.dtype)
    before: np.ndarray | None = None
    now = B
    for k in range(last + 1):
        if k > 0:
            double = 1 if k == 1 else 2
            after = A.step(now, double / radius, -double * center / radius, before, -kind)
            before, now = now, after
        terms[k % block] = now
        if k % block == block - 1 or k == last:
            yield k - k % block, terms[: k % block + 1]


_STEP = 6.0  # the norm that a step spans: roundings of its terms grow to e^6 u at most


def _taylor(
    A: operators.Operator,
    B: np.ndarray,
    direction: complex,
    lengths: np.ndarray,
    tol: float,
    Y: np.ndarray,
    at: np.ndarray,
) -> tuple[int, int]:
    """exp(direction * length * A) B into Y[at], lengths >= 0, by steps of one Taylor polynomial."""
    mu = A.mean_eigenvalue()
    end = float(lengths.max())
    bound = A.norm(mu, 1)  # of rows: that of largest entries, below
    # norm(X^k) <= norm^k for the k that matter
    norm = A.norm_of_powers(mu, 20 / end) if end > 0 else bound
    steps = max(1, math.ceil(norm * end / _STEP))
    h = end / steps
    order = _degree(norm * h, tol, steps)
    F, used = B, 0
    piece = np.clip(np.ceil(lengths / h * (1 - 1e-15)) if h else lengths, 1, steps).astype(int)
    for q in range(1, steps + 1):
        inside = np.flatnonzero(piece == q)
        parts = (lengths[inside] - (q - 1) * h) / h if h else lengths[inside]
        between = [(i, part) for i, part in zip(inside, parts, strict=True) if part < 1 - 1e-14]
        outputs = [F.copy() for _ in between]
        term, total = F, F.copy()
        for k in range(1, order + 1):
            f = direction * h / k
            term = A.step(term, f, -f * mu, W=total, delta=1.0)
            for output, (_, part) in zip(outputs, between, strict=True):
                output += part**k * term
            used = max(used, k)
            # max |X^j v| <= bound^j max |v|: what follows is below a geometric series, column by
            # column
            ratio = bound * h / (k + 1)
            if ratio < 0.5:
                size, whole = (np.abs(V).max(axis=0) for V in (term, total))
                if (2 * ratio * size <= tol / 2 * whole).all():
                    break
        start, F = (q - 1) * h, total * _exp_like(mu * direction * h, total)
        for output, (i, _) in zip(outputs, between, strict=True):
            Y[at[i]] = output * _exp_like(mu * direction * (lengths[i] - start), total)
        for i, part in zip(inside, parts, strict=True):
            if part >= 1 - 1e-14:
                Y[at[i]] = F
    return used, steps


def _exp_like(x: complex, like: np.ndarray) -> Any:
    value = np.exp(x)
    return value if np.iscomplexobj(like) else np.real(value)


def _degree(x: float, tol: float, steps: int) -> int:
    """Least m with e^x x^(m+1) / (m+1)! <= tol max(1 / steps, x): the core's rule."""
    if x == 0:
        return 1
    target = math.log(0.99 * min(tol, 0.01)) + math.log(max(1 / steps, x))
    m = 1
    while x + (m + 1) * math.log(x) - math.lgamma(m + 2) > target:
        m += 1
    return m
