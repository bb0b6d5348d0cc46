"""Least squares by sketching: the public function, its checks, and the algorithm."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from numbers import Real
from typing import Any, NoReturn

import numpy as np

from . import _qr_lstsq_steps as steps
from ._core import dispatch, operators, validate
from ._core.random import Stream, as_stream
from ._core.results import AccuracyWarning, Result, per_matrix
from ._qr import _by_lines, qr


@dataclass(frozen=True)
class LstsqInfo:
    """What a solution took: one value for one matrix, arrays of the batch's shape for a batch.

    Attributes
    ----------
    method : str or ndarray
        The path that gave the result: ``"spir"``, ``"fossils"`` or ``"qr"``.
    attempts : int or ndarray
        How many were tried.
    n_steps : int or ndarray
        Steps of all iterations, each of which reads A once; 0 for ``"qr"``.
    backward_error : float or ndarray
        Estimate of the least relative change of A, in the Frobenius norm, for which x is the exact
        solution: the largest one of the right-hand sides.
    """

    method: Any
    attempts: Any
    n_steps: Any
    backward_error: Any


class LstsqResult(Result):
    """Result of `lstsq`; unpacks as ``x, residual_norm``.

    Attributes
    ----------
    x : array
        The solution.
    residual_norm : array
        ``norm(b - A @ x)`` of each right-hand side.
    rank : int or ndarray
        Singular values of A, or of a sketch of it, that are larger than `rcond` times the largest.
    info : LstsqInfo
        What was done.
    """

    _fields = ("x", "residual_norm")
    _extras = ("rank", "info")


_METHODS = ("auto", "spir", "fossils", "qr")
#: Default backward error, in eps: what pivoted QR is sure to keep.
_TOLERANCE = 40
#: Iterative refinements: two make it backward stable, a third is for what two leave.
_REFINEMENTS = 3


def lstsq(
    A: Any,
    b: Any,
    *,
    rcond: float | None = None,
    tol: float | None = None,
    damp: float = 0.0,
    method: str = "auto",
    rng: Any = None,
) -> Any:
    """Least squares: the shortest x with the least ``norm(b - A @ x)``, or with a ridge penalty.

    A sketch of A preconditions an iteration that reads A once a step, and is as accurate as
    Householder's method.  The result is certified by an estimate of its backward error.

    Parameters
    ----------
    A : array_like, sparse array or operator, shape (..., m, n)
        Real or complex matrices of any strides, of NumPy or any library with an array-API
        namespace; or one matrix: a sparse array of SciPy, or an object with ``matmat``,
        ``rmatmat``, ``shape`` and ``dtype``.  float16 and bfloat16 are computed in float32 and
        returned as they came; integers and bool become float64.  Not modified.
    b : array_like, shape (m,) or (..., m, p)
        Right-hand sides; one vector only if it has one dimension.
    rcond : float, optional
        Singular values that are not larger than `rcond` times the largest count as zero; in [0, 1).
        Default: ``min(m, n) * eps``.  With 0 every column is kept.
    tol : float, optional
        Backward error to be reached, in (0, 1).  Default: ``40 * eps``.
    damp : float, default 0.0
        Ridge penalty, at least 0: minimises ``norm(b - A @ x)**2 + damp**2 * norm(x)**2``, as
        `scipy.sparse.linalg.lsqr` does.
    method : {"auto", "spir", "fossils", "qr"}, default "auto"
        ``"spir"``: sketch-and-precondition with iterative refinement and conjugate gradients.
        ``"fossils"``: the same by a heavy-ball iteration, which needs no inner products.  ``"qr"``:
        pivoted QR, for arrays.  ``"auto"``: ``"qr"`` for arrays that are less than four times as
        long as wide, or where the shape says that it is faster; else ``"spir"``.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the sketch.

    Returns
    -------
    LstsqResult
        ``x``, of shape (n,) or (..., n, p), and ``residual_norm``, one number for each right-hand
        side, in the type of `A`; with attributes ``rank`` and ``info``.

    Raises
    ------
    ValueError
        If `A` and `b` have different numbers of rows, an option is unknown or out of range, or
        batches do not broadcast.
    TypeError
        If a dtype is not supported, arrays are of different libraries, an operator lacks
        ``rmatmat``, or ``method="qr"`` is asked of one.
    numpy.linalg.LinAlgError
        If `A` or `b` has a NaN or an infinity, or x is beyond the range of the dtype.

    Warns
    -----
    AccuracyWarning
        If the backward error is larger than `tol` after all that could be tried.

    See Also
    --------
    qr : The factorisation, and how it is certified.
    numpy.linalg.lstsq, scipy.linalg.lstsq : By singular values, or LAPACK's pivoted QR.
    scipy.sparse.linalg.lsqr : Without a preconditioner.

    Notes
    -----
    With a sparse sketch S of 4n to 16n rows, ``S A = Q R`` makes ``A R^-1`` well conditioned,
    whatever A was [1]_.  From ``x = R^-1 Q^H S b``, twice: ``c = R^-H A^H (b - A x)``, conjugate
    gradients for ``(R^-H A^H A R^-1) y = c``, ``x += R^-1 y``.  Once is not enough: without the
    second refinement the backward error grows with the condition number [2]_.  The number of steps
    does not depend on the condition; each costs ``4 m n`` flops at the rate of the memory.
    Where R has no full rank, ``V Sigma^-1`` of its singular values that count takes the place of
    ``R^-1``.  A wide sparse array or operator is solved through the sketch of A^H.

    The certificate is Karlson and Walden's estimate, with R in place of A:
    ``norm((norm(x)^2 R^H R + norm(r)^2 I)^(-1/2) A^H r) / norm(R)``, r = b - A x, within a factor
    of 2 or so; and, where the sketch has no full rank, a bound of what lies outside of its row
    space, which a bad sketch would lose.  What is not confirmed goes to pivoted QR; of a sparse
    array or an operator another sketch is tried.

    A ridge penalty adds rows ``damp I`` to A, and `rank` and ``backward_error`` are those of the
    matrix with them; ``residual_norm`` is of `A` alone.

    References
    ----------
    .. [1] V. Rokhlin, M. Tygert, "A fast randomized algorithm for overdetermined linear
       least-squares regression", PNAS 105 (2008), doi:10.1073/pnas.0804869105.
    .. [2] E. N. Epperly, M. Meier, Y. Nakatsukasa, "Fast randomized least-squares solvers can be
       just as accurate and stable as classical direct solvers", 2024, arXiv:2406.03468.

    Examples
    --------
    >>> import numpy as np, randla
    >>> generator = np.random.default_rng(0)
    >>> A = generator.standard_normal((20000, 50)) * np.logspace(0, -9, 50)
    >>> b = A @ np.ones(50)
    >>> x, residual_norm = randla.lstsq(A, b, rng=0)
    >>> bool(np.allclose(x, 1, atol=1e-5)), bool(residual_norm < 1e-12)
    (True, True)

    The second right-hand side of two, with a penalty:

    >>> result = randla.lstsq(A, np.stack([b, 2 * b], axis=1), damp=0.1, method="spir", rng=0)
    >>> result.x.shape, result.rank, result.info.method, result.info.n_steps < 60
    ((50, 2), 50, 'spir', True)
    """
    options = _Options(rcond, tol, damp, method)
    stream = as_stream(rng)
    if operators.is_operator(A):
        return _of_operator(A, b, options, stream)
    arrays = validate.numpy_arrays(A=A, b=b)
    if arrays is not None:
        A, b = arrays
        return dense(A, b, options, stream)
    adapter = dispatch.adapter(A)
    if adapter is not None and hasattr(adapter, "lstsq"):
        return adapter.lstsq(A, b, rcond=rcond, tol=tol, damp=damp, method=method, rng=stream)
    return reference(A, b, options, stream)


class _Options:
    """What a call asks for, checked."""

    def __init__(self, rcond: Any, tol: Any, damp: Any, method: Any) -> None:
        validate.option("method", method, _METHODS)
        self.method = method
        self.rcond = None if rcond is None else validate.fraction("rcond", rcond)
        self.tol = validate.tolerance(tol)
        if isinstance(damp, (bool, np.bool_)) or not isinstance(damp, (Real, np.number)):
            raise TypeError(f"damp must be a real number, got {type(damp).__name__}")
        self.damp = float(damp)
        if not 0 <= self.damp < math.inf:
            raise ValueError(f"damp must be finite and at least 0, got {damp}")


def _sizes(A: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, int, int, bool, tuple[int, ...]]:
    """m, n, p, whether b is a vector, and the batch."""
    if len(A) < 2:
        raise ValueError(f"A must have shape (..., m, n), got {len(A)} dimension(s)")
    if not b:
        raise ValueError("b must have shape (m,) or (..., m, p), got 0 dimensions")
    vector = len(b) == 1
    m, n = A[-2:]
    rows = b[0] if vector else b[-2]
    if rows != m:
        raise ValueError(f"A has {m} rows, but b has {rows}: shapes {A} and {b}")
    batch = validate.broadcast(("A", A[:-2]), ("b", () if vector else b[:-2]))
    return m, n, 1 if vector else b[-1], vector, batch


# ---- arrays --------------------------------------------------------------------------------------


def dense(A: np.ndarray, b: np.ndarray, options: _Options, stream: Stream) -> LstsqResult:
    """Arrays of NumPy."""
    m, n, p, vector, batch = _sizes(A.shape, b.shape)
    dtype = validate.common_dtype(("A", A), ("b", b))
    char = validate.compute_char("A", dtype)
    count = math.prod(batch)
    a = np.broadcast_to(A, (*batch, m, n)).reshape((count, m, n))  # of a batch of A a view
    B = b[:, None] if vector else b
    B = np.broadcast_to(B, (*batch, m, p)).reshape((count, m, p))

    def matrix(i: int) -> steps.Dense:
        return steps.Native(dispatch.namespace(a), _by_lines(a[i : i + 1], char)[0])

    def sides(i: int) -> np.ndarray:
        return np.asfortranarray(B[i], dtype=char)

    return _solve(
        matrix, sides, (m, n, p), vector, batch, np.empty(0, char), dtype, options, stream
    )


def reference(A: Any, b: Any, options: _Options, stream: Stream) -> LstsqResult:
    """Arrays of any library, by its operations: the definition of what the core does.

    Decisions, and the QR factors of the sketch, are made on the host.
    """
    xp = dispatch.namespace(A)
    m, n, p, vector, batch = _sizes(tuple(A.shape), tuple(b.shape))
    dtype = xp.result_type(A, b)
    if xp.isdtype(dtype, ("bool", "integral")):
        dtype = xp.float64
    working = xp.float32 if "float16" in str(dtype) else dtype
    if not xp.isdtype(working, ("real floating", "complex floating")):
        raise TypeError(f"A has dtype {dtype}; expected a real or complex floating type")
    count = math.prod(batch)
    a = xp.reshape(xp.broadcast_to(xp.astype(A, working), (*batch, m, n)), (count, m, n))
    B = xp.astype(b, working)[:, None] if vector else xp.astype(b, working)
    B = xp.reshape(xp.broadcast_to(B, (*batch, m, p)), (count, m, p))
    return _solve(
        lambda i: steps.Dense(xp, a[i, ...]), lambda i: B[i, ...], (m, n, p), vector, batch,
        xp.zeros((0,), dtype=working, device=steps.device_of(A)), dtype, options, stream,
    )  # fmt: skip


def _of_operator(A: Any, b: Any, options: _Options, stream: Stream) -> LstsqResult:
    """One sparse array, or an object that is known by its products."""
    if options.method == "qr":
        raise TypeError(f"method='qr' is for arrays; A is a {type(A).__name__}")
    b = validate.as_array("b", b, dispatch.kind_of(b))
    m, n, p, vector, batch = _sizes(tuple(A.shape), b.shape)
    if batch:
        raise ValueError(f"b must have shape (m,) or (m, p) for one operator, got {b.shape}")
    dtype = np.result_type(np.dtype(A.dtype), b.dtype)
    if dtype.kind in "iub":
        dtype = np.dtype(np.float64)
    char = validate.compute_char("A", dtype)
    xp = dispatch.namespace(b)
    if operators.is_sparse(A):
        S = A if A.format in ("csr", "csc") else A.tocsr()
        M: steps.Dense = steps.Sparse(xp, operators.sound("A", S).astype(char, copy=False))
    else:
        if not hasattr(A, "rmatmat"):
            raise TypeError(f"A is a {type(A).__name__} without rmatmat, which lstsq needs")
        M = steps.Linear(xp, A, np.dtype(char))
    B = np.asfortranarray(b[:, None] if vector else b, dtype=char)
    return _solve(
        lambda _: M, lambda _: B, (m, n, p), vector, (), np.empty(0, char), dtype, options, stream
    )


# ---- one call ------------------------------------------------------------------------------------


class _NotFinite(Exception):
    """What has a NaN or an infinity is `args[0]`."""


@dataclass
class _Found:
    """A solution of one matrix."""

    x: Any
    r_norm: Any
    rank: int
    method: str
    attempts: int
    n_steps: int
    error: float


def _solve(
    matrix: Any, sides: Any, sizes: tuple[int, int, int], vector: bool, batch: tuple[int, ...],
    like: Any, dtype: Any, options: _Options, stream: Stream,
) -> LstsqResult:  # fmt: skip
    """Every matrix of a batch."""
    (_, n, p), count = sizes, math.prod(batch)
    xp, where = dispatch.namespace(like), steps.device_of(like)
    eps = float(xp.finfo(like.dtype).eps)
    tol = options.tol or _TOLERANCE * eps
    found = []
    for i in range(count):
        streams = [stream.advance(i + t * count) for t in range(2)]
        try:
            found.append(_one(matrix(i), sides(i), like, eps, tol, options, streams))
        except _NotFinite as event:
            _raise(batch, i, f"{event.args[0]} has a NaN or an infinity")
        if not bool(xp.all(xp.isfinite(found[-1].x))):
            _raise(batch, i, "x is beyond the range of its dtype")
    errors = np.array([f.error for f in found])
    if count and not errors.max() <= tol:
        warnings.warn(
            f"lstsq reached a backward error of {errors.max():.1e}, not tol = {tol:.1e}",
            AccuracyWarning,
            stacklevel=4,
        )

    def assemble(parts: list[Any], shape: tuple[int, ...]) -> Any:
        if not parts:
            return xp.zeros((*batch, *shape), dtype=dtype, device=where)
        whole = parts[0] if not batch else xp.reshape(xp.stack(parts), (*batch, *shape))
        return xp.astype(whole, dtype)

    x = assemble([f.x for f in found], (n, p))
    # the real type of the working one
    r = [f.r_norm for f in found]
    if r:
        r_norm = r[0] if not batch else xp.reshape(xp.stack(r), (*batch, p))
    else:
        empty = xp.zeros((*batch, p), dtype=like.dtype, device=where)
        r_norm = xp.real(empty) if steps.is_complex(xp, like) else empty
    if not xp.isdtype(dtype, "complex floating"):
        r_norm = xp.astype(r_norm, dtype)
    if vector:
        x, r_norm = x[..., 0], r_norm[..., 0]
    fields = ([getattr(f, name) for f in found] for name in ("method", "attempts", "n_steps"))
    method, attempts, n_steps = fields
    return LstsqResult(
        x,
        r_norm,
        rank=per_matrix(np.array([f.rank for f in found], np.int64), batch),
        info=LstsqInfo(
            per_matrix(np.array(method, object), batch),
            per_matrix(np.array(attempts, np.int64), batch),
            per_matrix(np.array(n_steps, np.int64), batch),
            per_matrix(errors, batch),
        ),
    )


def _raise(batch: tuple[int, ...], index: int, what: str) -> NoReturn:
    where = tuple(int(i) for i in np.unravel_index(index, batch)) if batch else ()
    raise np.linalg.LinAlgError(f"matrix {where}: {what}" if where else what) from None


def _one(
    A: steps.Dense, B: Any, like: Any, eps: float, tol: float, o: _Options, streams: list[Stream]
) -> _Found:
    xp, (m, n), p = A.xp, A.shape, B.shape[1]
    if not bool(xp.all(xp.isfinite(B))):
        raise _NotFinite("b")
    if 0 in (m, n, p):
        x = xp.zeros((n, p), dtype=like.dtype, device=steps.device_of(like))
        return _Found(x, steps.norms(xp, B), 0, "qr", 0, 0, 0.0)
    largest = float(xp.max(xp.abs(B)))
    beta = _power_of_two(largest, eps) if largest else 1.0
    B = B * beta if beta != 1 else B
    method = o.method
    direct = type(A) in (steps.Dense, steps.Native)
    if method == "auto":
        method = _choose(A, B, eps) if direct else "spir"
    rcond = min(m, n) * eps if o.rcond is None else o.rcond
    attempts, found, alpha = 0, None, 1.0
    if method != "qr":
        for stream in streams[: 1 if direct else 2]:
            attempts += 1
            one, factor = _iterated(A, B, like, eps, tol, rcond, o.damp, method, stream)
            if found is None or not found.error <= one.error:
                found, alpha = one, factor
            if found.error <= tol:
                break
    if found is None or (direct and not found.error <= tol):
        attempts += 1
        found, alpha = _by_qr(A, B, like, eps, rcond, o.damp, streams[0])
    found.attempts = attempts
    if alpha != 1 or beta != 1:
        with np.errstate(over="ignore"):  # infinities are found later
            found.x, found.r_norm = found.x * alpha / beta, found.r_norm / beta
    return found


def _power_of_two(size: float, eps: float) -> float:
    """Factor that makes a number about 1, where its square would come near the limits."""
    exponent = math.frexp(size)[1]
    inside, most = (300, 1000) if eps < 1e-10 else (40, 120)
    return 1.0 if abs(exponent) <= inside else 2.0 ** min(max(-exponent, -most), most)


# flops and bytes in a second of one thread: ratios of them are what counts
_FLOPS, _BYTES = 2.2e10, 1.3e10


def _costs(A: steps.Dense, B: Any, eps: float) -> tuple[int, float, float]:
    """Rows of the sketch, and the seconds of the iteration and of QR that are to be expected."""
    long, short = max(A.shape), min(A.shape)
    complex_ = 4 if steps.is_complex(A.xp, B) else 1
    rate = _FLOPS / complex_ * (1 if eps < 1e-10 else 2)
    item = (8 if eps < 1e-10 else 4) * (2 if complex_ > 1 else 1)
    step = A.entries * (item if type(A) is not steps.Sparse else 3 * item) / _BYTES
    step *= max(1.0, B.shape[1] / 4)
    sketch = 4 * A.entries * item / _BYTES
    best = (short, math.inf)
    for times in (4, 6, 8, 12, 16):
        if times > 4 and times * short > long:
            break
        # 2 d n^2 for the factors of the sketch, 4 n^3 for what is done with R
        fixed = (2 * times + 4) * short**3 / rate
        count = 0.8 * math.log(1 / eps) / (0.5 * math.log(times))
        best = min(best, (times * short, fixed + sketch + count * step), key=lambda x: x[1])
    qr_cost = (3 * long * short**2 + 4 * short**3) / rate
    return min(best[0], long), best[1], qr_cost


def _choose(A: steps.Dense, B: Any, eps: float) -> str:
    m, n = A.shape
    if m < 4 * n or m * n < 65536:
        return "qr"
    _, iteration, factors = _costs(A, B, eps)
    return "spir" if iteration < factors else "qr"


# ---- by a sketch ---------------------------------------------------------------------------------


def _iterated(
    A: steps.Dense, B: Any, like: Any, eps: float, tol: float, rcond: float, damp: float,
    method: str, stream: Stream,
) -> tuple[_Found, float]:  # fmt: skip
    """By an iteration, and the power of two that A was multiplied with."""
    from .sketch import SparseSign

    wide = A.shape[0] < A.shape[1]
    M = A.H if wide else A
    long, short = M.shape
    d = _costs(A, B, eps)[0]
    S = None if d >= long else SparseSign(d, long, rng=stream)
    alpha = 1.0
    with np.errstate(all="ignore"):  # what is not finite is looked at here
        sketched = M.sketch(S)
        size = float(np.abs(sketched).max())
    if not math.isfinite(size) or (size and _power_of_two(size, eps) != 1):
        known = type(M) is not steps.Linear
        largest = M.largest() if known else size
        if not math.isfinite(largest):
            raise _NotFinite("A")
        alpha = _power_of_two(largest, eps) if known else 1.0
        if alpha != 1:
            M, damp = M.scaled(alpha), damp * alpha
            sketched = M.sketch(S)
    rows = [sketched]
    if damp:
        rows.append(damp * np.eye(short, dtype=sketched.dtype))
    stacked = np.concatenate(rows)
    if not wide:  # the last columns of R become Q^H S b
        side = dispatch.to_numpy(B if S is None else S @ B)
        if damp:
            side = np.concatenate([side, np.zeros((short, B.shape[1]), side.dtype)])
        stacked = np.concatenate([stacked, side], axis=1)
    T: Any = np.linalg.qr(stacked.astype(sketched.dtype, copy=False), mode="r")
    N = steps.preconditioner(np.asfortranarray(T[:short, :short]), rcond, like)
    xp = M.xp
    if N is None:
        x = xp.zeros((A.shape[1], B.shape[1]), dtype=like.dtype, device=steps.device_of(like))
        return _Found(x, steps.norms(xp, B), 0, method, 1, 0, 0.0), alpha
    Z = np.ascontiguousarray(T[:short, short:])
    start = None if wide else N.left(xp.asarray(Z, device=steps.device_of(like)))
    run = _Run(M, N, damp, eps, tol, method, 0.0 if S is None else short / d, rcond)
    return (run.wide(B) if wide else run.tall(B, start)), alpha


@dataclass
class _Run:
    """Refinements by one preconditioner."""

    M: steps.Dense
    N: Any
    damp: float
    eps: float
    tol: float
    method: str
    ratio: float  # n / d
    rcond: float

    def _correct(self, C: Any, stop: Any) -> tuple[Any, int]:
        """Y with (N^H (M^H M + damp^2) N) Y = C."""
        xp, N, square = self.M.xp, self.N, self.damp**2

        def apply(Y: Any) -> Any:
            X = N.apply(Y)
            return N.adjoint(self.M.normal(X) + square * X if square else self.M.normal(X))

        if self.method == "fossils":
            return steps.heavy_ball(xp, apply, C, self.ratio, self.eps)
        # twice what a sketch of this size should need
        rate = math.log(1 / max(self.ratio, 1e-4)) / 2
        limit = 10 + math.ceil(2 * math.log(1 / self.eps) / rate)
        return steps.conjugate_gradients(xp, apply, C, stop, limit)

    def _found(self, X: Any, r_norm: Any, count: int, error: float) -> _Found:
        return _Found(X, r_norm, self.N.rank, self.method, 1, count, error)

    def tall(self, B: Any, X: Any) -> _Found:
        """Least squares."""
        M, N, xp, count, error = self.M, self.N, self.M.xp, 0, math.inf
        for refinement in range(_REFINEMENTS + 1):
            R = B - M.forward(X)
            G = M.adjoint(R) - self.damp**2 * X
            r_norm, x_norm = steps.norms(xp, R), steps.norms(xp, X)
            both = xp.sqrt(r_norm**2 + (self.damp * x_norm) ** 2)
            C = N.adjoint(G)
            # Karlson and Walden's estimate is at most norm(c) / size
            size = N.frobenius * xp.sqrt(x_norm**2 + (both / N.largest) ** 2)
            bound = _ratio(steps.norms(xp, C), size)
            if bound <= self.tol / 4:
                error = bound
                break
            last = refinement == _REFINEMENTS
            if refinement >= 2 or last:
                error = float(np.max(N.backward_error(G, x_norm, both)))
                if error <= self.tol or last:
                    break
            stop = self.tol / 20 * size
            if refinement == 0:  # no further than rounding in x lets it go
                stable = self.eps * (N.frobenius * x_norm + 0.04 * N.cond * both)
                stop = xp.where(stop > stable, stop, stable)
            Y, done = self._correct(C, stop)
            X, count = X + N.apply(Y), count + done
        if self._lost(xp.where(both > 0, both, xp.ones_like(both)), lambda: G - N.project(G)):
            error = math.inf
        return self._found(X, r_norm, count, error)

    def _lost(self, size: Any, outside: Any) -> bool:
        """Whether the sketch lost a direction that counts.

        What M maps outside of the row space that was found is at most rcond times its norm, times
        `size`; a certificate that looks inside alone would not see more.
        """
        if not isinstance(self.N, steps.Singular):
            return False
        found = _ratio(steps.norms(self.M.xp, outside()), self.N.largest * size)
        return not found <= 10 * max(self.rcond, self.M.shape[1] * self.eps)

    def wide(self, B: Any) -> _Found:
        """The shortest solution: x = M z, with damp of (x, e) for A x + damp e = b."""
        M, N, xp, count, error = self.M, self.N, self.M.xp, 0, math.inf
        X: Any = None
        E: Any = 0 * B
        for refinement in range(_REFINEMENTS + 1):
            R = B if X is None else B - M.adjoint(X)
            r_norm = steps.norms(xp, R)
            R = R - self.damp * E
            C = N.adjoint(R)
            if X is None:
                x_norm = steps.norms(xp, C)  # of the solution, about
            else:
                x_norm = xp.sqrt(steps.squares(xp, X, X) + steps.squares(xp, E, E))
                error = _ratio(steps.norms(xp, N.project(R)), N.frobenius * x_norm)
                enough = self.tol / (4 if refinement < 2 else 1)
                if error <= enough or refinement == _REFINEMENTS:
                    break
            Y, done = self._correct(C, self.tol / 20 * N.frobenius / N.largest * x_norm)
            Z = N.apply(Y)
            X, E = M.forward(Z) + (0 if X is None else X), E + self.damp * Z
            count += done
        rest = R - N.project(R)
        size = steps.norms(xp, rest)
        if self._lost(xp.where(size > 0, size, xp.ones_like(size)), lambda: M.forward(rest)):
            error = math.inf
        return self._found(X, r_norm, count, error)


def _ratio(error: Any, size: Any) -> float:
    """Largest error / size; 0 / 0 counts as 0."""
    error, size = (np.asarray(dispatch.to_numpy(x), float) for x in (error, size))
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.where(error == 0, 0.0, error / size).max())


# ---- by pivoted QR -------------------------------------------------------------------------------


def _by_qr(
    A: steps.Dense, B: Any, like: Any, eps: float, rcond: float, damp: float, stream: Stream
) -> tuple[_Found, float]:
    """By the factors of A, or of A^H; and the power of two that A was multiplied with."""
    xp = A.xp
    (m, n), p = A.shape, B.shape[1]
    largest = A.largest()
    if not math.isfinite(largest):
        raise _NotFinite("A")
    alpha = _power_of_two(largest, eps) if largest else 1.0
    if alpha != 1:
        A, damp = A.scaled(alpha), damp * alpha
    wide = m < n
    M = A.H if wide else A
    short, where = min(m, n), steps.device_of(like)
    array = M.A
    if damp:
        array = xp.concat([array, damp * xp.eye(short, dtype=like.dtype, device=where)], axis=0)
    Q, R, P = qr(array, pivoting=True, rng=stream)
    N = steps.preconditioner(np.asfortranarray(dispatch.to_numpy(R)), rcond, like)
    if N is None:
        x = xp.zeros((n, p), dtype=like.dtype, device=where)
        return _Found(x, steps.norms(xp, B), 0, "qr", 1, 0, 0.0), alpha
    QH = steps.conjugate(xp, xp.matrix_transpose(Q))
    if wide:
        whole = Q @ N.right(xp.take(B, P, axis=0))
        X = whole[:n, ...]
    else:
        back = xp.argsort(P)
        X = xp.take(N.left(QH[:, :m] @ B), back, axis=0)
    residual = B - A.forward(X)
    r_norm, x_norm = steps.norms(xp, residual), steps.norms(xp, X)
    if wide:
        rest = residual - damp * whole[n:, ...] if damp else residual
        rest = N.project(xp.take(rest, P, axis=0))
        error = _ratio(steps.norms(xp, rest), N.frobenius * steps.norms(xp, whole))
    else:
        G = xp.take(A.adjoint(residual) - damp**2 * X, P, axis=0)
        both = xp.sqrt(r_norm**2 + (damp * x_norm) ** 2)
        error = float(np.max(N.backward_error(G, x_norm, both)))
    return _Found(X, r_norm, N.rank, "qr", 1, 0, error), alpha
