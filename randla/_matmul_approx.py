"""Products that are less than exact, for less work, with an estimate of what they lack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from ._core import dispatch, validate
from ._core.random import Stream, as_stream
from ._core.results import Result
from ._matmul import shapes
from ._qr import qr
from .sketch import Gaussian, RowSampling, SparseSign

_METHODS = ("sketch", "sampling", "lowrank")
_PROBES = 6


@dataclass(frozen=True)
class ApproxMatmulInfo:
    """What was done by `approx_matmul`; for a batch, arrays of its shape.

    Attributes
    ----------
    method : str
        ``"sketch"``, ``"sampling"``, ``"lowrank"`` or, where that is no more work, ``"exact"``.
    size : int
        The inner dimension of the product that was computed; of ``"lowrank"``, the rank.
    attempts : int
        Products computed until `rtol` was met.
    """

    method: Any
    size: Any
    attempts: Any


class ApproxMatmulResult(Result):
    """Result of `approx_matmul`; unpacks as ``product, error``.

    Attributes
    ----------
    product : array
        The approximate product.
    error : float
        Estimate of ``norm(product - a @ b) / (norm(a) * norm(b))`` in the Frobenius norm; for a
        batch, an array of its shape.
    info : ApproxMatmulInfo
        What was done.
    """

    _fields = ("product", "error")


def approx_matmul(
    a: Any,
    b: Any,
    *,
    k: int | None = None,
    rtol: float | None = None,
    method: str = "sketch",
    rng: Any = None,
) -> ApproxMatmulResult:
    """Multiply matrices approximately, by a random product of fewer terms.

    Parameters
    ----------
    a, b : array_like
        Of shapes (..., m, p) and (..., p, n), batches broadcast; arrays of one library.  Not
        modified.
    k : int, optional
        Terms of the inner sum that are computed, or the rank of the product, in [1, p].
    rtol : float, optional
        Instead of `k`: the error wanted, relative to ``norm(a) * norm(b)``; k is doubled until the
        estimate meets it, and the exact product is taken where that is less work.  Not for batches.
    method : {"sketch", "sampling", "lowrank"}, default "sketch"
        ``(a @ S.T) @ (S @ b)`` with `randla.sketch.SparseSign`; or with `randla.sketch.RowSampling`
        of probabilities proportional to the norms of the columns of `a` times those of the rows of
        `b`, which is better where these are unequal; or ``Q @ (Q^H @ a @ b)``, Q an orthonormal
        basis of k columns for the range of the product, for a product whose singular values decay.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Where the random numbers come from; None draws from the system's entropy.

    Returns
    -------
    ApproxMatmulResult
        ``product, error``, with `info`.

    Raises
    ------
    ValueError
        If shapes do not fit, not exactly one of `k` and `rtol` is given, `k` is not in [1, p],
        `rtol` is not in (0, 1) or given for a batch, or `method` is unknown.
    TypeError
        If a dtype is longdouble, object or a string, or `k` is no integer.

    See Also
    --------
    matmul : The exact product.

    Notes
    -----
    The expected square of the Frobenius error is at most ``(2 / k) norm(a)**2 norm(b)**2`` by
    ``"sketch"`` and ``(1 / k) norm(a)**2 norm(b)**2`` by ``"sampling"`` [1]_: an error of 0.1 needs
    a hundred terms or two, 0.01 ten thousand.  For matrices without structure ``norm(a @ b)`` is
    itself only ``norm(a) norm(b) / sqrt(p)``, so that errors are larger than the product unless k
    is near p: this is for matrices that have structure, or uses that average.

    By ``"lowrank"`` it is near that of the best approximation of rank k to the product: with one
    iteration a few tens of per cent above it where singular values decay like 1/i, and less where
    they decay faster [2]_.  There is no other way here to errors below 1e-2.

    Cost: ``2 m k n`` flops, and passes over `a` and `b`; of ``"lowrank"`` four passes of
    ``2 k (m p + p n)`` flops more.  The error is estimated with six Gaussian
    vectors x, from ``a (b x) - product x``: its square is unbiased, and off by a factor of 2 in
    one of ten calls or so if the error has rank one, less often otherwise.

    A NaN or inf in the operands, where a probability would depend on it, makes the product exact
    and the error NaN.

    References
    ----------
    .. [1] P. Drineas, R. Kannan, M. W. Mahoney, "Fast Monte Carlo algorithms for matrices I:
       approximating matrix multiplication", SIAM J. Comput. 36 (2006), 132-157,
       doi:10.1137/S0097539704442684.
    .. [2] N. Halko, P. G. Martinsson, J. A. Tropp, "Finding structure with randomness",
       SIAM Review 53 (2011), 217-288, arXiv:0909.4061.

    Examples
    --------
    >>> import numpy as np, randla
    >>> a = np.ones((50, 1)) + 0.1 * np.random.default_rng(0).standard_normal((50, 4000))
    >>> product, error = randla.approx_matmul(a, a.T, k=400, rng=0)
    >>> exact = a @ a.T
    >>> bool(np.linalg.norm(product - exact) < 0.2 * np.linalg.norm(exact))
    True
    >>> bool(error < 0.2)
    True
    """
    arrays = validate.numpy_arrays(a=a, b=b)
    if arrays is not None:
        a, b = arrays
    validate.option("method", method, _METHODS)
    for name, x in (("a", a), ("b", b)):
        if x.ndim < 2:
            raise ValueError(f"{name} must have at least two dimensions, got {x.ndim}")
    batch = shapes(tuple(a.shape), tuple(b.shape))[:-2]
    inner = int(a.shape[-1])
    if (k is None) == (rtol is None):
        raise ValueError(f"exactly one of k and rtol must be given, got k={k!r} and rtol={rtol!r}")
    if rtol is not None:
        if batch:
            raise ValueError("rtol is not for batches: what is done would depend on the matrix")
        if isinstance(rtol, bool) or not isinstance(rtol, (Real, np.floating)):
            raise TypeError(f"rtol must be a number in (0, 1), got {type(rtol).__name__}")
        if not 0 < rtol < 1:
            raise ValueError(f"rtol must be in (0, 1), got {rtol}")
    else:
        k = validate.integer("k", k)
        validate.inside("k", k, 1, inner)
    stream = as_stream(rng)
    xp = dispatch.namespace(a)
    a, b, dtype = _computing(xp, a, b)
    if not batch:
        product, error, info = _one(xp, a, b, k, rtol, method, [stream])
        return ApproxMatmulResult(_cast(xp, product, dtype), error, info=info)
    a = xp.broadcast_to(a, (*batch, *a.shape[-2:]))
    b = xp.broadcast_to(b, (*batch, *b.shape[-2:]))
    found = [
        _one(xp, a[(*index, ...)], b[(*index, ...)], k, None, method, [stream.advance(j)])
        for j, index in enumerate(np.ndindex(*batch))
    ]
    shape = (*batch, a.shape[-2], b.shape[-1])
    if not found:
        return ApproxMatmulResult(
            _cast(xp, xp.matmul(a, b), dtype), np.zeros(batch),
            info=ApproxMatmulInfo(*(np.zeros(batch, t) for t in (str, np.int64, np.int64))),
        )  # fmt: skip
    product = xp.reshape(xp.stack([p for p, _, _ in found]), shape)
    errors = np.array([e for _, e, _ in found]).reshape(batch)
    infos = [(i.method, i.size, i.attempts) for _, _, i in found]
    info = ApproxMatmulInfo(*(np.array(c).reshape(batch) for c in zip(*infos, strict=True)))
    return ApproxMatmulResult(_cast(xp, product, dtype), errors, info=info)


def _computing(xp: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Both in the dtype that computes, and the one to return (None: the same)."""
    if isinstance(a, np.ndarray) or dispatch.kind_of(a) == "cupy":
        dtype = validate.common_dtype(("a", a), ("b", b))
        char = np.dtype(validate.compute_char("a", dtype))
        a, b = a.astype(char, copy=False), b.astype(char, copy=False)
        return a, b, None if char == dtype else dtype
    if xp.isdtype(a.dtype, ("integral", "bool")):
        a = xp.astype(a, xp.float64)
    if xp.isdtype(b.dtype, ("integral", "bool")):
        b = xp.astype(b, xp.float64)
    dtype = xp.result_type(a, b)
    if dtype in (getattr(xp, "float16", None), getattr(xp, "bfloat16", None)):
        return xp.astype(a, xp.float32), xp.astype(b, xp.float32), dtype
    return xp.astype(a, dtype, copy=False), xp.astype(b, dtype, copy=False), None


def _cast(xp: Any, x: Any, dtype: Any) -> Any:
    if dtype is None:
        return x
    return x.astype(dtype) if hasattr(x, "astype") else xp.astype(x, dtype)


def _number(x: Any) -> float:
    return float(dispatch.to_numpy(x))


def _squares(xp: Any, x: Any, axis: int | None) -> Any:
    size = xp.abs(x)
    return xp.sum(size * size, axis=axis)


def _one(
    xp: Any,
    a: Any,
    b: Any,
    k: int | None,
    rtol: float | None,
    method: str,
    streams: list[Stream],
) -> tuple[Any, float, ApproxMatmulInfo]:
    """One product; the attempts use operators one after the other."""
    (m, inner), n = a.shape, b.shape[-1]
    size = math.sqrt(_number(_squares(xp, a, None))) * math.sqrt(_number(_squares(xp, b, None)))
    if 0 in (m, n, inner) or not math.isfinite(size) or size == 0:
        error = 0.0 if size == 0 or 0 in (m, n, inner) else math.nan
        return xp.matmul(a, b), error, ApproxMatmulInfo("exact", inner, 1)
    stream, attempts, spent = streams[0], 0, 0.0
    first = 8 if method == "lowrank" else max(1, math.ceil(0.5 / float(rtol or 1) ** 2))
    terms = first if k is None else k
    while True:
        work = 2.0 * m * terms * n + 16.0 * inner * (m + n)
        work += 8.0 * terms * inner * (m + n) if method == "lowrank" else 0
        spent += work + 12.0 * (m * inner + inner * n + m * n)
        most = min(m, inner, n) if method == "lowrank" else inner
        exact = rtol is not None and (terms >= most or spent >= 2.0 * m * inner * n)
        attempts += 1
        if exact:
            product, terms = xp.matmul(a, b), inner
        elif method == "lowrank":
            terms = min(terms, most)
            product = _low_rank(xp, a, b, terms, stream.advance(attempts - 1))
        else:
            operator = _operator(xp, a, b, terms, method, stream.advance(attempts - 1))
            product = xp.matmul(operator.apply(a, 1), operator.apply(b, 0))
        error = _error(xp, a, b, product, stream) / size
        if exact or rtol is None or error <= rtol:
            used = "exact" if exact else method
            return product, error, ApproxMatmulInfo(used, terms, attempts)
        terms *= 2


def _operator(xp: Any, a: Any, b: Any, terms: int, method: str, stream: Stream) -> Any:
    inner = int(a.shape[-1])
    if method == "sketch":
        return SparseSign(terms, inner, rng=stream)
    left, right = _squares(xp, a, 0), _squares(xp, b, 1)
    p = np.sqrt(dispatch.to_numpy(left).astype(np.float64))
    p = p * np.sqrt(dispatch.to_numpy(right).astype(np.float64))
    total = p.sum()
    if not 0 < total < math.inf:  # no column of a meets a row of b
        return RowSampling(terms, inner, rng=stream)
    return RowSampling(terms, inner, p=p / total, rng=stream)


def _low_rank(xp: Any, a: Any, b: Any, rank: int, stream: Stream) -> Any:
    """Q (Q^H a b), Q from the range of (a b) (a b)^H a b G^T: Algorithm 4.4 of [2], q = 1."""

    def adjoint(X: Any) -> Any:
        T = xp.matrix_transpose(X)
        return xp.conj(T) if xp.isdtype(X.dtype, "complex floating") else T

    basis = Gaussian(rank, int(b.shape[-1]), rng=stream).apply(b, 1)
    Q = qr(xp.matmul(a, basis), rng=stream)[0]
    Z = qr(xp.matmul(adjoint(b), xp.matmul(adjoint(a), Q)), rng=stream)[0]
    Q = qr(xp.matmul(a, xp.matmul(b, Z)), rng=stream)[0]
    return xp.matmul(Q, xp.matmul(xp.matmul(adjoint(Q), a), b))


def _error(xp: Any, a: Any, b: Any, product: Any, stream: Stream) -> float:
    """Frobenius norm of product - a b, by Gaussian probes: E norm(E G^T)^2 = norm(E)^2."""
    probes = Gaussian(_PROBES, int(b.shape[-1]), rng=Stream(stream.key ^ _PROBE_KEY, stream.offset))
    missing = xp.matmul(a, probes.apply(b, 1)) - probes.apply(product, 1)
    return math.sqrt(_number(_squares(xp, missing, None)))


# The probes must not depend on the operator, and these have random kinds of their own: another key
# is for the case that a user's operator of the same stream is in a or b.
_PROBE_KEY = 0x6D61746D756C
