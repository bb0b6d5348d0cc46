"""Estimates of traces and norms from products with a few vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ._core import dispatch, operators, validate
from ._core.random import Stream, as_stream
from ._core.results import Result
from ._svd import _products, _served, as_wanted
from ._svd_algebra import Algebra, NotFiniteError
from ._svd_norm import spectral
from ._svd_products import Operator, Products

# for three samples, whose spread can be told, when the scale of an operator takes two products more
LEAST = {"xtrace": 8, "hutch++": 7, "hutchinson": 5, "xnystrace": 5}
LEAST_NORM = {2: 8, "fro": 5}
_ENTRIES = 1 << 24  # of a panel of vectors that nobody needs at once


@dataclass(frozen=True)
class EstimateInfo:
    """What an estimate did: one value for one matrix, arrays of the batch's shape for a batch.

    Attributes
    ----------
    method : str or ndarray
        That of the call; of a norm ``"krylov"`` or ``"hutchinson"``; ``"exact"`` where nothing was
        estimated.
    products : int or ndarray
        Products of A or its adjoint with one vector.
    meaning : str or ndarray
        What `error` is: ``"standard error"``, two of which hold 95 of 100 truths, as far as the
        samples are not skewed (of few vectors, and of matrices that one or two eigenvalues rule,
        "hutchinson" and "hutch++" hold 85 to 95); ``"upper bound"``, which fails once in a
        million; ``"rounding"``.
    converged : bool or ndarray
        Of the 2-norm, whether the last block of products changed it by less than one in a thousand;
        else True.
    """

    method: Any
    products: Any
    meaning: Any
    converged: Any = True


class EstimateResult(Result):
    """Result of `trace_estimate` and `norm_estimate`; unpacks as ``value, error``.

    Attributes
    ----------
    value : array, shape (...)
        The estimate.
    error : array, shape (...)
        How far off it may be; real.
    info : EstimateInfo
        What was done, and what `error` means.
    """

    _fields = ("value", "error")


def trace_estimate(A: Any, *, method: str = "xtrace", budget: int = 60, rng: Any = None) -> Any:
    """Trace of a matrix that is known by products with vectors, and its standard error.

    Parameters
    ----------
    A : array_like, shape (..., n, n), sparse array, or operator
        Real or complex matrices, of any strides: an array of NumPy (memory-mapped ones are read a
        panel at a time), CuPy, torch or another array-API library; one sparse array of SciPy or
        CuPy; or one object with ``shape``, ``dtype`` and ``matmat``.  float16 and bfloat16 are
        computed in float32 and returned as they came; integers and bool become float64.  Not
        modified.
    method : str, default "xtrace"
        ``"xtrace"``, for any matrix; ``"xnystrace"``, for positive semidefinite ones, which
        takes twice as many vectors for as many products; ``"hutch++"``; or ``"hutchinson"``, best
        where eigenvalues do not decay, or where nearly all of A is on its diagonal.
    budget : int, default 60
        Most products of A with one vector.  From n on, the trace is exact.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the vectors.

    Returns
    -------
    EstimateResult
        ``value, error``, of the shape of the batch, in the type of `A` (numbers of NumPy for sparse
        arrays and operators); the value of a complex matrix is complex.  ``info.products`` is what
        was used.

    Raises
    ------
    ValueError
        If `A` is not square or empty, the method is unknown, or `budget` is too small for it.
    TypeError
        If the dtype is not supported, `budget` is not an integer, an operator lacks a method or
        returns a wrong block, or `A` is a masked array, a matrix or a JAX tracer.
    numpy.linalg.LinAlgError
        If a matrix has a NaN or an infinity, its trace is beyond the range of its dtype, or
        "xnystrace" meets one that is not Hermitian, or clearly not positive semidefinite.

    See Also
    --------
    norm_estimate : Norms.
    randomized_eigh : Eigenvalues.

    Notes
    -----
    "xtrace" [1]_ takes ``budget // 2`` vectors: for each of them the trace on the span of the
    products with all others, exactly, and that of what is left by this one.  Every vector serves
    both ways.  "xnystrace" does so with the approximation of Nystrom, whose span costs no second
    product.  Vectors are uniform on a sphere, and what is left of them is brought to its length, by
    which the identity has no error.  "hutch++" [2]_ takes a third of the products for one span,
    a third for the trace on it, a third for what is left.  "hutchinson" is the mean of x^H A x for
    vectors of random signs.  All are unbiased.

    For the root-mean-square error e, "hutchinson" takes O(1/e**2) products, "hutch++" O(1/e), and
    the others also follow exponential decay.

    The error is the standard error of the mean for "hutch++" and "hutchinson".  The samples of the
    other two depend on each other: it is the jackknife's [3]_, which leaves one vector out at a
    time, and is by Efron and Stein's inequality not too small on average; where eigenvalues decay
    fast it is a few times too large.  Both are widened by Student's factor for few samples.

    The cost beside the products is ``O(n budget**2)``, of "hutchinson" ``O(n budget)``.

    References
    ----------
    .. [1] E. N. Epperly, J. A. Tropp, R. J. Webber, "XTrace: making the most of every sample in
       stochastic trace estimation", SIAM J. Matrix Anal. Appl. 45 (2024), arXiv:2301.07825.
    .. [2] R. A. Meyer, C. Musco, C. Musco, D. P. Woodruff, "Hutch++: optimal stochastic trace
       estimation", SOSA 2021, arXiv:2010.09649.
    .. [3] E. N. Epperly, J. A. Tropp, "Efficient error and variance estimation for randomized
       matrix computations", SIAM J. Sci. Comput. 46 (2024), arXiv:2207.06342.

    Examples
    --------
    >>> import numpy as np, randla
    >>> i = np.arange(1, 301)
    >>> V = np.sqrt(2 / 301) * np.sin(np.pi * np.outer(i, i) / 301)
    >>> A = (V / i**2) @ V  # eigenvalues 1 / i**2
    >>> value, error = randla.trace_estimate(A, rng=0)
    >>> bool(abs(value - np.trace(A)) <= 2 * error), bool(error < 0.01)
    (True, True)

    The inverse of a sparse matrix, by solves:

    >>> import scipy.sparse as sp
    >>> from scipy.sparse.linalg import LinearOperator, splu
    >>> L = sp.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(300, 300)).tocsc()
    >>> solve = splu(L).solve
    >>> inverse = LinearOperator(L.shape, matvec=solve, matmat=solve, dtype=float)
    >>> result = randla.trace_estimate(inverse, rng=0)
    >>> bool(abs(result.value - np.trace(np.linalg.inv(L.toarray()))) <= 2 * result.error)
    True
    >>> result.info.products
    60
    """
    return _run(A, checked_method(method, budget), rng, "trace", method)


def norm_estimate(A: Any, ord: int | str = 2, *, budget: int = 60, rng: Any = None) -> Any:
    """2-norm or Frobenius norm of a matrix by products with vectors, and how far off it may be.

    Parameters
    ----------
    A : array_like, shape (..., m, n), sparse array, or operator
        As for `trace_estimate`, of any shape; for ``ord=2`` operators need ``rmatmat`` too.
    ord : {2, "fro"}, default 2
        The largest singular value, or the root of the sum of their squares.
    budget : int, default 60
        Most products of A or its adjoint with one vector.  From ``min(m, n)`` on, the 2-norm is
        exact, and from n on the other one.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the vectors.

    Returns
    -------
    EstimateResult
        ``value, error``, of the shape of the batch, in the type of `A` (numbers of NumPy for sparse
        arrays and operators); real.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As `trace_estimate`.

    See Also
    --------
    numpy.linalg.norm : Exact, of dense arrays.
    randomized_svd : More singular values, and vectors.

    Notes
    -----
    The 2-norm is found by block Krylov iteration with four columns.  The value is never above the
    norm, but for rounding, and the norm never above ``value + error``, but once in a million.  It
    stops when a block of products changes the value by less than one in a thousand, and the error
    is one per cent.

    The upper bound rests on one event: that the four random columns see the singular vector
    sought, whose projection on their span has a squared length of the distribution
    Beta(2, n / 2 - 2).  If it is above a bound x,
    a norm that is larger than ``value * cosh(phi)``, where ``sinh((2 q + 1) phi)**2 = (1 - x) /
    x``, would have been seen after q steps, by a Chebyshev polynomial as in [1]_; and one that the
    recurrence of Krylov's spaces cannot have hidden in what it left over is excluded too, which
    tells more where there is a gap.  The least of these bounds is taken.

    The Frobenius norm of arrays, dense or sparse, is exact, without a product.  That of an operator
    is by products with vectors of random signs, ``norm(A X) / sqrt(budget)``, and its error is a
    standard error.

    References
    ----------
    .. [1] J. Kuczynski, H. Wozniakowski, "Estimating the largest eigenvalue by the power and
       Lanczos algorithms with a random start", SIAM J. Matrix Anal. Appl. 13 (1992), 1094-1122.

    Examples
    --------
    >>> import numpy as np, randla
    >>> A = np.random.default_rng(0).standard_normal((400, 300))
    >>> value, error = randla.norm_estimate(A, rng=0)
    >>> bool(value <= np.linalg.norm(A, 2) <= value + error)
    True
    >>> bool(np.isclose(randla.norm_estimate(A, "fro").value, np.linalg.norm(A)))
    True
    """
    order, count = checked_order(ord, budget)
    return _run(A, count, rng, "norm", order)


def checked_method(method: str, budget: Any) -> int:
    """The budget, if it is enough for this method."""
    validate.option("method", method, LEAST)
    return _budget(budget, LEAST[method], f"method={method!r}")


def checked_order(ord: Any, budget: Any) -> tuple[Any, int]:
    """The order of a norm, and the budget."""
    order = 2 if not isinstance(ord, (str, bool)) and ord == 2 else ord  # NumPy's too
    validate.option("ord", order, LEAST_NORM)
    return order, _budget(budget, LEAST_NORM[order], f"ord={order!r}")


def _budget(budget: Any, least: int, what: str) -> int:
    count = validate.integer("budget", budget)
    if count < least:
        raise ValueError(f"budget must be at least {least} for {what}, got {count}")
    return count


# ---- one call ------------------------------------------------------------------------------------


def _run(A: Any, budget: int, rng: Any, what: str, how: Any) -> Any:
    """Estimate the trace by a method, or the norm of an order."""
    if operators.is_operator(A) or operators.is_device_sparse(A):
        if how == 2 or len(A.shape) != 2:
            _served(A)
        _shape(what, A.shape)
        return _one(A, budget, as_stream(rng), what, how)
    arrays = validate.numpy_arrays(A=A)
    if arrays is not None:
        A = arrays[0]
        validate.compute_char("A", A.dtype)
    _shape(what, A.shape)
    stream = as_stream(rng)
    adapter = dispatch.adapter(A) if arrays is None else None
    if adapter is None:
        return _estimate(A, budget, stream, what, how)
    if what == "trace":
        return adapter.trace_estimate(A, method=how, budget=budget, rng=stream)
    return adapter.norm_estimate(A, how, budget=budget, rng=stream)


def _shape(what: str, shape: tuple[int, ...]) -> None:
    if what == "trace":
        validate.square("A", tuple(shape))
    elif len(shape) < 2:
        raise ValueError(f"A must have at least two dimensions, got shape {tuple(shape)}")
    if 0 in shape[-2:]:
        raise ValueError(
            f"A must not be empty in its last two dimensions, got shape {tuple(shape)}"
        )


def _estimate(A: Any, budget: int, stream: Stream, what: str, how: Any) -> EstimateResult:
    """Arrays of any library; a batch one after the other."""
    batch = tuple(A.shape[:-2])
    if not batch:
        return _one(A, budget, stream, what, how)
    xp = np if isinstance(A, np.ndarray) else dispatch.namespace(A)
    count = math.prod(batch)
    # the value of an empty batch has the dtype of others
    flat = xp.reshape(A, (count, *A.shape[-2:])) if count else xp.zeros((1, 1, 1), dtype=A.dtype)
    parts = []
    for i in range(max(count, 1)):
        try:
            parts.append(_one(flat[i, ...], budget, stream.advance(i), what, how))
        except np.linalg.LinAlgError as found:
            where = tuple(int(j) for j in np.unravel_index(i, batch))
            text = str(found).removeprefix("A ")
            raise np.linalg.LinAlgError(f"matrix {where} of A {text}") from None
    value, error = (xp.reshape(xp.stack(x)[:count], batch) for x in zip(*parts, strict=True))
    columns = ([getattr(part.info, f.name) for part in parts[:count]] for f in fields(EstimateInfo))
    info = EstimateInfo(
        *(
            np.array(c, dtype=object if c and isinstance(c[0], str) else None).reshape(batch)
            for c in columns
        )
    )
    return EstimateResult(value, error, info=info)


def _one(A: Any, budget: int, stream: Stream, what: str, how: Any) -> EstimateResult:
    """One matrix."""
    P, wanted = _products(A, stream)
    counted = Counted(P, budget)
    try:
        P.prepare()
        with np.errstate(all="ignore"):
            value, error, info = (_trace if what == "trace" else _norm)(counted, how)
            value, error = value / P.scale, error / P.scale
    except NotFiniteError:
        raise np.linalg.LinAlgError("A has a NaN or an infinity") from None
    algebra, real = P.algebra, what == "norm" or not P.algebra.complex
    result = _number(algebra, np.real(value) if real else value, wanted, real)
    if not bool(algebra.xp.isfinite(result)):
        name = "a trace" if what == "trace" else "a norm"
        raise np.linalg.LinAlgError(f"A has {name} beyond the range of its dtype")
    return EstimateResult(result, _number(algebra, error, wanted, True), info=info)


def _number(algebra: Algebra, x: Any, wanted: Any, real: bool) -> Any:
    """A number of the host as an array of the library without dimensions, or one of NumPy's."""
    one = np.array([x])
    with np.errstate(over="ignore"):
        X = algebra.real_from_host(one) if real else algebra.from_host(one)
        X = as_wanted(algebra, X, wanted, real, infinite=True)
    return X[0] if algebra.kind == "numpy" else algebra.xp.reshape(X, ())


class Counted:
    """A matrix, and how many products with one vector were taken of so many."""

    def __init__(self, P: Products, budget: int) -> None:
        self.P, self.algebra, self.budget, self.used = P, P.algebra, budget, 0

    @property
    def left(self) -> int:
        """Products that may be taken."""
        return self.budget - self.used

    def unscaled(self) -> None:
        """Before products with the identity: what is finite in A is so in them."""
        if isinstance(self.P, Operator):
            self.P.looked = True

    def times(self, X: Any, adjoint: bool = False) -> Any:
        """A X, or A^H X."""
        before = self.P.passes
        Y = self.P.rmatmat(X) if adjoint else self.P.matmat(X)
        # an operator may have needed several to know its scale
        self.used += (self.P.passes - before) * X.shape[1]
        if isinstance(self.P, Operator) and not np.isfinite(Y).all():
            raise NotFiniteError
        return Y

    def first(self, X: Any, afforded: Any, adjoint: bool = False) -> tuple[Any, Any]:
        """X and A X, before any other product; `afforded` says how many columns a budget affords.

        The first column of an operator goes alone: should its scale take three products, the
        others are fewer.
        """
        if not isinstance(self.P, Operator):
            return X, self.times(X, adjoint)
        head = self.times(X[:, :1], adjoint)
        X = X[:, : min(X.shape[1], max(afforded(self.left + 1), 1))]
        if X.shape[1] == 1:
            return X, head
        return X, np.concatenate([head, self.times(X[:, 1:], adjoint)], axis=1)


# ---- test vectors and small things ---------------------------------------------------------------


def _dots(algebra: Algebra, X: Any, Y: Any) -> np.ndarray:
    """Inner products of the columns, on the host in double precision."""
    xp = algebra.xp
    wide = xp.complex128 if algebra.complex else xp.float64
    products = (xp.conj(X) if algebra.complex else X) * Y
    return dispatch.to_numpy(xp.sum(products, axis=0, dtype=wide))


def _between(algebra: Algebra, X: Any, Y: Any) -> np.ndarray:
    """X^H Y of panels, on the host in double precision."""
    small = dispatch.to_numpy(algebra.adjoint(X) @ Y)
    return small.astype(np.result_type(small.dtype, np.float64))


def _sphere(algebra: Algebra, n: int, first: int, count: int) -> Any:
    """Columns that are uniform on the sphere of radius sqrt(n)."""
    X = algebra.gaussian(n, first, count, "SVD_TRACE")
    return algebra.scaled_columns(X, np.sqrt(n / _dots(algebra, X, X).real))


def _signs(algebra: Algebra, n: int, first: int, count: int) -> Any:
    """Columns of random signs; complex ones have signs in both parts, over sqrt(2)."""
    xp, X = algebra.xp, algebra.gaussian(n, first, count, "SVD_TRACE")

    def signs(x: Any) -> Any:
        one = xp.ones_like(x)
        return xp.where(x < 0, -one, one)

    if not algebra.complex:
        return signs(X)
    half = math.sqrt(0.5)
    return algebra.cast(signs(xp.real(X))) * half + algebra.cast(signs(xp.imag(X))) * (1j * half)


def _student(samples: int) -> float:
    """The factor by which two standard errors of few samples hold what two of many do.

    Expansion of Student's quantile in the reciprocal of the degrees of freedom (Abramowitz, Stegun
    26.7.5) at the normal quantile 2; within one per cent from two degrees on.
    """
    r = 1 / (samples - 1)
    return 1 + r * (1.25 + r * (1.53125 + r * (1.4296875 + r * 0.921875)))


def _standard_error(samples: np.ndarray) -> float:
    count = len(samples)
    return float(samples.std(ddof=1)) / math.sqrt(count) * _student(count)


def _jackknife(without: np.ndarray) -> float:
    """Standard error from the estimates (on the diagonal nothing) that leave out j and i, [j, i].

    The variance of an estimate is at most the sum of squared deviations of those that leave one
    vector out, on average (Efron, Stein 1981).
    """
    count = len(without)
    np.fill_diagonal(without, 0)
    means = without.sum(axis=1) / (count - 1)
    squares = float((np.abs(means - means.mean()) ** 2).sum())
    return math.sqrt(squares * (count - 1) / count) * _student(count)


def _rounding(A: Counted, squares: np.ndarray) -> float:
    """What rounding leaves, by squared norms of products with vectors of norm sqrt(n)."""
    return 30 * A.algebra.eps * math.sqrt(float(squares.real.mean()))


# ---- traces --------------------------------------------------------------------------------------


def _trace(A: Counted, method: str) -> tuple[Any, float, EstimateInfo]:
    """Value and error of scale * A, and what was done."""
    n, eps = A.P.shape[0], A.algebra.eps
    if A.P.zero:
        return 0.0, 0.0, EstimateInfo("exact", 0, "rounding")
    if A.budget >= n:
        return (*_sum(_diagonal(A), eps), EstimateInfo("exact", A.used, "rounding"))
    value, error, least = _METHODS[method](A, n)
    error = max(error, least) + eps * abs(value)
    return value, error, EstimateInfo(method, A.used, "standard error")


def _diagonal(A: Counted) -> np.ndarray:
    """By products with the columns of the identity."""
    n, parts = A.P.shape[0], []
    A.unscaled()
    width = max(1, min(n, _ENTRIES // n))
    for i in range(0, n, width):
        E = A.algebra.from_host(np.eye(n, min(width, n - i), -i))
        parts.append(_dots(A.algebra, E, A.times(E)))
    return np.concatenate(parts)


def _sum(x: np.ndarray, eps: float) -> tuple[Any, float]:
    """A sum that is rounded once, and its error."""
    largest = float(np.abs(x).max())
    unit = 2.0 ** max(math.frexp(largest)[1], -1000) if largest else 1.0  # fsum must not overflow
    x = x / unit
    total = math.fsum(x.real) + (1j * math.fsum(x.imag) if np.iscomplexobj(x) else 0.0)
    return total * unit, eps * math.fsum(np.abs(x)) * unit


def _hutchinson(A: Counted, n: int) -> tuple[Any, float, float]:
    """The mean of x^H A x."""
    samples, squares = quadratic(A, n)
    return samples.mean(), _standard_error(samples), _rounding(A, squares)


def quadratic(A: Counted, n: int) -> tuple[np.ndarray, np.ndarray]:
    """x^H A x, if A is square, and norm(A x)^2, for as many x of signs as can be afforded."""
    m, algebra, done = A.P.shape[0], A.algebra, 0
    width = max(1, _ENTRIES // max(m, n))
    samples, squares = [], []
    while A.left > 0:
        X = _signs(algebra, n, done, min(width, A.left))
        X, Y = A.first(X, lambda left: left) if done == 0 else (X, A.times(X))
        done += X.shape[1]
        samples.append(_dots(algebra, X, Y) if m == n else np.zeros(0))
        squares.append(_dots(algebra, Y, Y).real)
    return np.concatenate(samples), np.concatenate(squares)


def _hutchpp(A: Counted, n: int) -> tuple[Any, float, float]:
    """Hutch++: the trace on the span of A X, and the mean of x^H A x of what is left."""
    algebra = A.algebra
    X, Y = A.first(_sphere(algebra, n, 0, A.budget // 3), lambda left: left // 3)
    least, count = _rounding(A, _dots(algebra, Y, Y)), X.shape[1]
    Q, _ = algebra.orthonormalise(Y)
    inside = _dots(algebra, Q, A.times(Q)).sum()
    G = _sphere(algebra, n, count, A.left)
    G = G - Q @ (algebra.adjoint(Q) @ G)
    length = (n - count) / _dots(algebra, G, G).real
    samples = _dots(algebra, G, A.times(G)) * length
    return inside + samples.mean(), _standard_error(samples), least


def _xtrace(A: Counted, n: int) -> tuple[Any, float, float]:
    """XTrace, all of it in small matrices after the products.

    With Y = A X = Q R, the span of the columns but i is Q (I - s_i s_i^H) Q^H, s_i the normalised
    column i of R^-H.  What is left of x_i is w = x_i - Q (W_i - s_i a), with W = Q^H X and
    a = s_i^H W_i; and for the jackknife, with two columns less, w = x_i - Q (W_i - s_i a - s_j b).
    """
    algebra = A.algebra
    X, Y = A.first(_sphere(algebra, n, 0, A.budget // 2), lambda left: left // 2)
    l, least = X.shape[1], _rounding(A, _dots(algebra, Y, Y))  # noqa: E741
    if least == 0:
        return 0.0, 0.0, 0.0
    Q, R = algebra.orthonormalise(Y)
    Z = A.times(Q)
    W, H = _between(algebra, Q, X), _between(algebra, Q, Z)
    R = R.astype(H.dtype)
    # of a triangle that is singular to rounding, which says that the span has all of A
    U, sigma, Vh = np.linalg.svd(R)
    S = (U / np.maximum(sigma, algebra.eps * sigma[0])) @ Vh
    S /= np.linalg.norm(S, axis=0)

    low = algebra.from_host(W)
    X, Y = X - Q @ low, Y - Z @ low
    D, N = _dots(algebra, X, Y), _dots(algebra, X, X).real
    SH = S.conj().T
    M, G, c = SH @ H @ S, SH @ S, SH @ W
    E, F = SH @ (R - H @ W), (_between(algebra, X, Z) @ S).T
    M_i, a, trace = M.diagonal(), c.diagonal(), np.trace(H)
    q = D + a * F.diagonal() + a.conj() * E.diagonal() + np.abs(a) ** 2 * M_i
    samples = trace - M_i + (n - l + 1) / (N + np.abs(a) ** 2) * q

    # [j, i]: without j, and i
    det = 1 - np.abs(G) ** 2
    near = det < 1e-8  # one direction to rounding
    det[near] = 1
    G[near], a = 0, np.broadcast_to(a, (l, l))
    b = np.where(near, 0, (c - G * a) / det)
    a = np.where(near, a, (a - G.conj() * c) / det)
    M_j, MT, GT = M_i[:, None], M.T, G.conj()
    less = np.where(near, M_i, (M_i + M_j - GT * M - G * MT) / det)
    q = D + a * F.diagonal() + a.conj() * E.diagonal() + b * F + b.conj() * E
    q = q + np.abs(a) ** 2 * M_i + np.abs(b) ** 2 * M_j + a.conj() * b * MT + a * b.conj() * M
    squares = N + np.abs(a) ** 2 + np.abs(b) ** 2 + 2 * (a.conj() * GT * b).real
    without = trace - less + (n - l + 2) / squares * q
    return samples.mean(), _jackknife(without), least


def _xnystrace(A: Counted, n: int) -> tuple[Any, float, float]:
    """XNysTrace, of A + nu I, as small matrices.

    With Y = A X, H = X^H Y and h = H^-1 the approximation is Y h Y^H, and without column i less by
    Y h_i h_i^H Y^H / h_ii; what is left of A is 1 / h_ii for x_i, whose own part outside the span
    of the others has the squared length 1 / p_ii, p = (X^H X)^-1.
    """
    algebra, eps = A.algebra, A.algebra.eps
    # X^H X is well conditioned
    X, Y = A.first(_sphere(algebra, n, 0, min(A.budget, 3 * n // 4)), lambda left: left)
    l, norm = X.shape[1], math.sqrt(_dots(algebra, Y, Y).real.sum())  # noqa: E741
    if norm == 0:
        return 0.0, 0.0, 0.0
    C, P = _between(algebra, X, Y), _between(algebra, X, X)
    off = float(np.linalg.norm(C - C.conj().T)) / 2
    if off > 0.01 * np.linalg.norm(C):
        raise np.linalg.LinAlgError(
            f"A is not Hermitian, as method='xnystrace' needs: X^H A X is off by "
            f"{off / np.linalg.norm(C):.1e}"
        )
    C = (C + C.conj().T) / 2
    nu = max(eps * norm / math.sqrt(n), off / n)
    values, V = np.linalg.eigh(C)
    least, v = float(values[0]), V[:, 0]
    if least < -100 * nu * n:
        quotient = least / float(np.vdot(v, P @ v).real) / A.P.scale
        raise np.linalg.LinAlgError(
            f"A is not positive semidefinite, as method='xnystrace' needs: x^H A x / x^H x is "
            f"{quotient:.3g} for some x"
        )
    nu += 2 * max(0.0, -least) / float(np.linalg.eigvalsh(P)[0])
    _, R = algebra.orthonormalise(Y + nu * X)
    L = np.linalg.inv(np.linalg.cholesky(C + nu * P))
    LH = L.conj().T
    h, p = LH @ L, np.linalg.inv(P)
    Rh = R @ h
    K = Rh.conj().T @ Rh
    trace = float((np.abs(R @ LH) ** 2).sum()) - nu * n
    d, k, r = h.diagonal().real, K.diagonal().real, p.diagonal().real
    samples = trace - k / d + (n - l + 1) * r / d

    # [j, i]: without j, and i
    f = h / d[:, None]
    d_i = d - np.abs(h) ** 2 / d[:, None]
    near = d_i <= 1e-8 * d
    d_i[near] = 1
    k_i = k - 2 * (K * f.conj()).real + k[:, None] * np.abs(f) ** 2
    r_i = r - np.abs(p) ** 2 / r[:, None]
    without = trace - (k / d)[:, None] + ((n - l + 2) * r_i - k_i) / d_i
    without = np.where(near, samples, without)
    return samples.mean(), _jackknife(without), 30 * eps * norm / math.sqrt(l) + nu * n


_METHODS = {
    "xtrace": _xtrace,
    "hutch++": _hutchpp,
    "hutchinson": _hutchinson,
    "xnystrace": _xnystrace,
}


# ---- norms ---------------------------------------------------------------------------------------


def _norm(A: Counted, order: int | str) -> tuple[float, float, EstimateInfo]:
    """Value and error of scale * A, and what was done."""
    if A.P.zero:
        return 0.0, 0.0, EstimateInfo("exact", 0, "rounding")
    if order == 2:
        return _largest(A)
    eps, n = A.algebra.eps, A.P.shape[1]
    if A.P.norm2 is not None:
        value = math.sqrt(A.P.norm2)
        return value, 30 * eps * value, EstimateInfo("exact", 0, "rounding")
    if A.budget >= n:
        value = _frobenius(_columns(A, False))
        return value, 30 * eps * value, EstimateInfo("exact", A.used, "rounding")
    _, squares = quadratic(A, n)
    value = math.sqrt(squares.mean())
    # of the root, to first order
    error = _standard_error(squares) / (2 * value) if value else 0.0
    error = max(error, 30 * eps * value)
    return value, error, EstimateInfo("hutchinson", A.used, "standard error")


def _largest(A: Counted) -> tuple[float, float, EstimateInfo]:
    """The largest singular value."""
    m, n = A.P.shape
    eps = A.algebra.eps
    if A.budget >= min(m, n):
        entries = _columns(A, m < n)
        unit = 2.0 ** max(math.frexp(float(np.abs(entries).max()))[1], -1000)
        value = float(np.linalg.norm(entries / unit, 2)) * unit
        return value, 30 * eps * value, EstimateInfo("exact", A.used, "rounding")
    value, above, converged = spectral(A, m < n)
    meaning = "upper bound"
    return value, above - value, EstimateInfo("krylov", A.used, meaning, converged)


def _columns(A: Counted, adjoint: bool) -> np.ndarray:
    """A, or A^H, on the host in double precision, by products with the identity."""
    A.unscaled()
    E = A.algebra.from_host(np.eye(A.P.shape[0 if adjoint else 1]))
    entries = dispatch.to_numpy(A.times(E, adjoint))
    return entries.astype(np.result_type(entries.dtype, np.float64))


def _frobenius(X: np.ndarray) -> float:
    largest = float(np.abs(X).max())
    unit = 2.0 ** max(math.frexp(largest)[1], -1000) if largest else 1.0
    return float(np.linalg.norm(X / unit)) * unit
