"""Randomized singular value decompositions: the public functions and their checks."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ._core import dispatch, operators, validate
from ._core.random import Stream, as_stream
from ._core.results import Result
from ._svd_adaptive import adaptive
from ._svd_algebra import Algebra, NotFiniteError
from ._svd_fixed import (
    Factors,
    exact,
    gram,
    krylov,
    krylov_shape,
    stack,
    subspace,
    zero,
)
from ._svd_plan import Plan as Plan  # torch asks for it here
from ._svd_products import (
    Adjoint,
    Dense,
    Operator,
    Panels,
    Products,
    Sparse,
    canonical,
    centred,
)


@dataclass(frozen=True)
class SVDInfo:
    """What a decomposition did: one value for one matrix, arrays of the batch's shape for a batch.

    Attributes
    ----------
    n_iter : int or ndarray
        Iterations (Krylov: blocks after the first).
    passes : int or ndarray
        Products of A or its adjoint with a block.
    error_fro : float or ndarray
        Estimate of ``norm(A - U S V^H, "fro")``: by the norms of A and S where these tell it, else
        by 6 Gaussian probes, which are within a factor 2 in 19 of 20 cases; of a stream, by parts
        of its sketch.  Never below ``30 eps norm(A)``.
    error_2_bound : float or ndarray
        Bound of ``norm(A - U S V^H, 2)``, true with probability ``1 - 1e-6``; often 10 to 50 times
        too large.  The next singular value, where the method is exact.
    converged : bool or ndarray
        Whether the last iteration made no singular value more than 1 % larger, or nothing was left;
        with `rtol`, whether it was reached.
    method : str or ndarray
        ``"subspace"``, ``"krylov"``, ``"gram"``, ``"exact"``; with `rtol`, ``"adaptive"``; of an
        iterator, ``"stream"``.
    fallbacks : int or ndarray
        Panels that were made orthonormal by Householder's method, since their Gram matrix was too
        close to singular for Cholesky's.
    precision : str or ndarray
        ``"mixed"`` where the first passes were in single precision, else ``"same"``.
    cancellation : float or ndarray
        With `center`, the norm of the means over that of what is left: so many times larger are
        errors of rounding.  0 where nothing is centred, or the means were subtracted.
    """

    n_iter: Any
    passes: Any
    error_fro: Any
    error_2_bound: Any
    converged: Any
    method: Any
    fallbacks: Any
    precision: Any = "same"
    cancellation: Any = 0.0


class SVDResult(Result):
    """Result of `randomized_svd`; unpacks as ``U, S, Vh``.

    Attributes
    ----------
    U : array, shape (..., m, rank)
        Orthonormal columns; the entry of largest modulus in each is real and positive.
    S : array, shape (..., rank)
        Singular values, descending.
    Vh : array, shape (..., rank, n)
        Orthonormal rows.
    rank : int
        How many there are.
    info : SVDInfo
        What was done.
    """

    _fields = ("U", "S", "Vh")
    _extras = ("rank", "info")


class PCAResult(Result):
    """Result of `pca`; unpacks as ``U, S, Vh``, of A minus the means of its columns.

    Attributes
    ----------
    U : array, shape (..., m, rank)
        Scores divided by S: ``U * S`` are the coordinates of the rows.
    S : array, shape (..., rank)
        Singular values, descending.
    Vh : array, shape (..., rank, n)
        Principal axes.
    mean : array, shape (..., n)
        Means of the columns.
    explained_variance : array, shape (..., rank)
        ``S**2 / (m - 1)``; infinite where the dtype cannot hold it.
    explained_variance_ratio : array, shape (..., rank)
        Their share of the sum of the variances of all columns.
    rank : int
        How many there are.
    info : SVDInfo
        What was done.
    """

    _fields = ("U", "S", "Vh")
    _extras = ("mean", "explained_variance", "explained_variance_ratio", "rank", "info")


def beyond_range(what: str = "a singular value") -> np.linalg.LinAlgError:
    """What is raised where a result cannot be written."""
    return np.linalg.LinAlgError(f"A has {what} beyond the range of its dtype")


def variances(s: np.ndarray, rows: int) -> np.ndarray:
    """Explained variances from singular values, on the host; inf beyond the range."""
    with np.errstate(all="ignore"):
        found: np.ndarray = (s.astype(np.float64) ** 2 / (rows - 1)).astype(s.dtype)
    return found


def randomized_svd(
    A: Any,
    k: int | None = None,
    *,
    rtol: float | None = None,
    max_rank: int | None = None,
    n_oversamples: int = 10,
    n_iter: int | str = "auto",
    method: str = "auto",
    precision: str = "auto",
    center: bool = False,
    rng: Any = None,
) -> Any:
    """Singular value decomposition of low rank: of rank `k`, or to a relative error `rtol`.

    Parameters
    ----------
    A : array_like, shape (..., m, n), sparse array, or operator
        Real or complex matrices, of any strides: an array of NumPy (memory-mapped ones are read a
        panel at a time), CuPy, torch or another array-API library; one sparse array of SciPy or
        CuPy; one object with ``shape``, ``dtype``, ``matmat`` and ``rmatmat``; or an iterator of
        blocks of rows, which is read once and may be longer than memory (`k` alone).  float16 and
        bfloat16 are computed in float32 and returned as they came; integers and bool become
        float64.  Not modified.
    k : int, optional
        Rank, in ``[1, min(m, n)]``.  Either `k` or `rtol` must be given.
    rtol : float, optional
        Find a rank with ``norm(A - U S Vh, "fro") <= rtol * norm(A, "fro")``, in (0, 1).  Not for
        batches.
    max_rank : int, optional
        Largest rank, with `rtol`.  Where it does not suffice, ``info.converged`` is False.
    n_oversamples : int, default 10
        Columns beyond k that iterate; as far as ``min(m, n)`` allows.
    n_iter : int or "auto", default "auto"
        Iterations; "auto" means 4, or what the method wants.  An integer asks for subspace
        iteration, unless `method` says otherwise.
    method : str, default "auto"
        ``"subspace"`` iteration; block ``"krylov"`` iteration (more accurate for as many products:
        where these are dear, or values decay slowly); ``"gram"``, the eigenvectors of ``A^H A``;
        ``"exact"``, LAPACK's; or ``"auto"``, which chooses by shape and kind.
    precision : str, default "auto"
        ``"mixed"``: iterate in single precision on a copy of A and finish in double; ``"same"``;
        or ``"auto"``: mixed for large dense float64 and complex128 matrices in memory.
    center : bool, default False
        Decompose A minus the means of its columns, without forming it.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the Gaussian columns.

    Returns
    -------
    SVDResult
        ``U, S, Vh``, in the type of `A` (NumPy for sparse arrays and operators), with attributes
        ``rank`` and ``info``.  In each column of U the entry of largest modulus is real and
        positive.

    Raises
    ------
    ValueError
        If both or none of `k` and `rtol` are given, a number is out of its range, an option is
        unknown, A is empty, or `rtol` meets a batch.
    TypeError
        If the dtype is not supported, a number is of the wrong kind, an operator lacks a method or
        returns a wrong block, or `A` is a masked array, a matrix or a JAX tracer.
    numpy.linalg.LinAlgError
        If a matrix has a NaN or an infinity.

    See Also
    --------
    pca : Centred, with variances.
    randomized_range_finder : Q alone.
    StreamingSVD : Of rows that come once.
    numpy.linalg.svd : All singular values.

    Notes
    -----
    Subspace iteration [1]_ takes ``2 n_iter + 2`` passes of ``2 m n l`` flops over A, with l =
    k + n_oversamples.  Panels are made orthonormal by Cholesky's method with a certificate, else
    by Householder's; U and V are orthonormal to rounding.  Singular values are at most those of A,
    up to rounding (those of an iterator may be one per cent more), and small ones are accurate to
    about ``eps * S[0]`` at best.  Where they decay
    slowly they are too small by some per cent unless there are iterations: for ``1 / i`` and k =
    50, ``n_iter=0`` is off by tens of per cent, 2 by 3 and 4 by less than 1.

    `rtol` runs randQB_EI [2]_, blocks of columns until what is left is small enough; Krylov
    iteration is that of [3]_.  An iterator of blocks goes through `StreamingSVD` [4]_: nothing can
    be iterated, and errors are larger than those of other methods, by a per cent where values decay
    like ``1 / i**2``, and by more where they decay slowly.  The result does not depend on how the
    rows are cut.

    The same rng gives the same bits on one thread; with several, the BLAS may add in another order.

    References
    ----------
    .. [1] N. Halko, P.-G. Martinsson, J. A. Tropp, "Finding structure with randomness", SIAM Rev.
       53 (2011), 217-288, arXiv:0909.4061.
    .. [2] W. Yu, Y. Gu, Y. Li, "Efficient randomized algorithms for the fixed-precision low-rank
       matrix approximation", SIAM J. Matrix Anal. Appl. 39 (2018), 1339-1359.
    .. [3] C. Musco, C. Musco, "Randomized block Krylov methods for stronger and faster approximate
       singular value decomposition", arXiv:1504.05477.
    .. [4] J. A. Tropp, A. Yurtsever, M. Udell, V. Cevher, "Practical sketching algorithms for
       low-rank matrix approximation", SIAM J. Matrix Anal. Appl. 38 (2017), arXiv:1609.00048.

    Examples
    --------
    >>> import numpy as np, randla
    >>> i = np.arange(1, 301)
    >>> A = np.sqrt(2 / 301) * np.sin(np.pi * np.outer(i, i) / 301) / i  # singular values 1 / i
    >>> U, S, Vh = randla.randomized_svd(A, 3, rng=0)
    >>> S.round(6)
    array([1.      , 0.5     , 0.333333])

    To a relative error, whatever rank that takes:

    >>> result = randla.randomized_svd(A, rtol=0.3, rng=0)
    >>> result.rank, result.info.converged
    (7, True)
    """
    options = (k, rtol, max_rank, n_oversamples, n_iter, method, precision, center)
    return _run(A, Plan(*options), rng, SVDResult)


def pca(
    A: Any,
    k: int | None = None,
    *,
    rtol: float | None = None,
    max_rank: int | None = None,
    n_oversamples: int = 10,
    n_iter: int | str = "auto",
    method: str = "auto",
    precision: str = "auto",
    rng: Any = None,
) -> Any:
    """Principal components: the decomposition of A minus the means of its columns, and variances.

    Parameters
    ----------
    A : array_like, shape (..., m, n), sparse array, or operator
        Rows are samples; as for `randomized_svd`.  What is sparse stays so.
    k : int, optional
        Components, in ``[1, min(m, n)]``.  Either `k` or `rtol` must be given.
    rtol : float, optional
        Relative error, in (0, 1): components that explain a share of ``1 - rtol**2`` of the
        variance.
    max_rank : int, optional
        Most components, with `rtol`.
    n_oversamples : int, default 10
        Columns beyond k that iterate.
    n_iter : int or "auto", default "auto"
        Iterations; "auto" means 4, or what the method wants.
    method : str, default "auto"
        As for `randomized_svd`.
    precision : str, default "auto"
        As for `randomized_svd`.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the Gaussian columns.

    Returns
    -------
    PCAResult
        ``U, S, Vh``, with attributes ``mean``, ``explained_variance``,
        ``explained_variance_ratio``, ``rank`` and ``info``.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As `randomized_svd`; also ValueError if there is one row only.

    See Also
    --------
    randomized_svd : Without means.

    Notes
    -----
    Products with the means are subtracted, ``A X - 1 (mu^T X)``.  Where the means are a thousand
    times what is left, this would lose digits, and a dense A is shifted a panel at a time;
    ``info.cancellation`` tells how much a sparse one loses.

    Examples
    --------
    >>> import numpy as np, randla
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((500, 2)) @ rng.standard_normal((2, 80)) + 10
    >>> result = randla.pca(A, 2, rng=0)
    >>> round(float(result.explained_variance_ratio.sum()), 6)
    1.0
    >>> bool(np.allclose(result.mean, A.mean(axis=0)))
    True
    """
    options = (k, rtol, max_rank, n_oversamples, n_iter, method, precision, True)
    return _run(A, Plan(*options), rng, PCAResult)


def randomized_range_finder(
    A: Any,
    k: int | None = None,
    *,
    rtol: float | None = None,
    n_oversamples: int = 10,
    n_iter: int | str = "auto",
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    """Orthonormal columns that nearly span what A does: ``A`` is close to ``Q @ (Q^H @ A)``.

    Parameters
    ----------
    A : array_like, shape (..., m, n), sparse array, or operator
        As for `randomized_svd`.
    k : int, optional
        Q has ``k + n_oversamples`` columns, at most ``min(m, n)``.  Either `k` or `rtol` must be
        given.
    rtol : float, optional
        As many columns as ``norm(A - Q Q^H A, "fro") <= rtol * norm(A, "fro")`` asks for, in
        (0, 1).
    n_oversamples : int, default 10
        Columns beyond k.
    n_iter : int or "auto", default "auto"
        Iterations; "auto" means 4.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the Gaussian columns.
    return_info : bool, default False
        Also return an `SVDInfo`, whose errors are those of ``A - Q Q^H A``.

    Returns
    -------
    Q : array, shape (..., m, columns)
        Orthonormal columns.
    info : SVDInfo
        Only if `return_info`.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As `randomized_svd`.

    Notes
    -----
    Algorithm 4.4 of Halko, Martinsson, Tropp, arXiv:0909.4061: ``2 n_iter + 1`` passes.

    Examples
    --------
    >>> import numpy as np, randla
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((400, 5)) @ rng.standard_normal((5, 300))
    >>> Q = randla.randomized_range_finder(A, 5, n_oversamples=0, rng=0)
    >>> Q.shape, bool(np.allclose(Q @ (Q.T @ A), A))
    ((400, 5), True)
    """
    plan = Plan(k, rtol, None, n_oversamples, n_iter, "subspace", "same", False)
    Q, info = _run(A, plan, rng, None)
    return (Q, info) if return_info else Q


# ---- one call ------------------------------------------------------------------------------------


def _run(A: Any, plan: Plan, rng: Any, kind: type[Result] | None) -> Any:
    """SVDResult, PCAResult, or for None a basis and its info."""
    least = 2 if kind is PCAResult else 1
    if hasattr(A, "__next__"):
        return _once(A, plan, as_stream(rng), kind)
    if operators.is_operator(A) or operators.is_device_sparse(A):
        _served(A)
        plan.of(tuple(A.shape), least)
        return _one(A, plan, as_stream(rng), kind)
    arrays = validate.numpy_arrays(A=A)
    if arrays is not None:
        A = arrays[0]
        validate.compute_char("A", A.dtype)
    plan.of(tuple(A.shape), least)
    stream = as_stream(rng)
    adapter = dispatch.adapter(A) if arrays is None else None
    if adapter is not None:
        return _adapted(adapter, A, plan, stream, kind)
    return _decompose(A, plan, stream, kind)


def _once(blocks: Any, plan: Plan, stream: Stream, kind: type[Result] | None) -> Any:
    """An iterator of blocks of rows, in one pass."""
    from ._svd_stream import once

    if kind is None:
        raise TypeError("an iterator of blocks of rows is for randomized_svd and pca")
    if plan.k is None:
        raise ValueError("an iterator of blocks of rows needs k, got rtol")
    if plan.method != "auto" or plan.n_iter is not None or (plan.center and kind is SVDResult):
        raise ValueError(
            "an iterator of blocks of rows is read once: method and n_iter must be 'auto', and "
            f"center False (pca centres), got {plan.method!r}, {plan.n_iter or 'auto'!r} and "
            f"{plan.center}"
        )
    return once(blocks, plan.k, plan.center, stream)


def _adapted(adapter: Any, A: Any, plan: Plan, stream: Stream, kind: type[Result] | None) -> Any:
    """Tensors: the function of the same name there."""
    options: dict[str, Any] = {"rtol": plan.rtol, "n_oversamples": plan.n_oversamples}
    options |= {"n_iter": "auto" if plan.n_iter is None else plan.n_iter, "rng": stream}
    if kind is None:
        return adapter.randomized_range_finder(A, plan.k, return_info=True, **options)
    options |= {"max_rank": plan.max_rank, "method": plan.method, "precision": plan.precision}
    if kind is PCAResult:
        return adapter.pca(A, plan.k, **options)
    return adapter.randomized_svd(A, plan.k, center=plan.center, **options)


def _served(A: Any) -> None:
    """Require what an operator needs."""
    for name in ("matmat", "rmatmat"):
        sparse = operators.is_sparse(A) or operators.is_device_sparse(A)
        if not sparse and not hasattr(A, name):
            raise TypeError(f"A is a {type(A).__name__} without {name}")
    if len(A.shape) != 2:
        raise ValueError(f"a sparse array or an operator must have two dimensions, got {A.shape}")


def _decompose(A: Any, plan: Plan, stream: Stream, kind: type[Result] | None) -> Any:
    """Arrays of any library; a batch one after the other."""
    batch = tuple(A.shape[:-2])
    if not batch:
        return _one(A, plan, stream, kind)
    xp = np if isinstance(A, np.ndarray) else dispatch.namespace(A)
    count = math.prod(batch)
    if count == 0:
        return _nothing(A, xp, plan, kind)
    flat = xp.reshape(A, (count, *A.shape[-2:]))
    if kind is SVDResult and xp is np and (done := _stack(flat, plan, stream, batch)) is not None:
        return done
    parts = []
    for i in range(count):
        try:
            parts.append(_one(flat[i, ...], plan, stream.advance(i), kind))
        except np.linalg.LinAlgError as error:
            where = tuple(int(j) for j in np.unravel_index(i, batch))
            text = str(error).removeprefix("A ")
            raise np.linalg.LinAlgError(f"matrix {where} of A {text}") from None

    def stacked(values: list[Any]) -> Any:
        X = xp.stack(values)
        return xp.reshape(X, (*batch, *X.shape[1:]))

    if kind is None:
        return stacked([Q for Q, _ in parts]), _stacked_info([info for _, info in parts], batch)
    extras = {
        name: stacked([getattr(part, name) for part in parts])
        for name in kind._extras
        if name not in ("rank", "info")
    }
    info = _stacked_info([part.info for part in parts], batch)
    arrays = (stacked([part[j] for part in parts]) for j in range(3))
    return kind(*arrays, rank=plan.k, info=info, **extras)


def _stack(A: np.ndarray, plan: Plan, stream: Stream, batch: tuple[int, ...]) -> Any:
    """A stack by one call of the core, or None where it does not serve all of it."""
    if A.dtype.char not in "fdFD" or plan.rtol is not None or plan.center:
        return None
    A = np.ascontiguousarray(A)
    P, _ = _products(A[0], stream)
    T = P if P.shape[0] >= P.shape[1] else Adjoint(P)
    if plan.choose(T) != "subspace" or _single(T, plan) is not None:
        return None
    k = plan.k or 1
    width = min(k + plan.n_oversamples, *P.shape)
    found = stack(A, k, width - k, plan.iterations, P.algebra)
    if found is None:
        return None
    *arrays, (passes, error, bound, converged, fallbacks) = found
    every = np.full
    info = SVDInfo(
        every(batch, plan.iterations), passes.reshape(batch), error.reshape(batch),
        bound.reshape(batch), converged.reshape(batch), every(batch, "subspace", object),
        fallbacks.reshape(batch), every(batch, "same", object), np.zeros(batch),
    )  # fmt: skip
    U, s, Vh = (X.reshape((*batch, *X.shape[1:])) for X in arrays)
    return SVDResult(U, s, Vh, rank=k, info=info)


def _stacked_info(infos: list[SVDInfo], batch: tuple[int, ...]) -> SVDInfo:
    columns = ([getattr(one, field.name) for one in infos] for field in fields(SVDInfo))
    return SVDInfo(
        *(
            np.array(c, dtype=object if c and isinstance(c[0], str) else None).reshape(batch)
            for c in columns
        )
    )


def _nothing(A: Any, xp: Any, plan: Plan, kind: type[Result] | None) -> Any:
    """Of a batch without matrices."""
    batch, (m, n), k = A.shape[:-2], A.shape[-2:], plan.k or 1
    floating = A.dtype
    if isinstance(A, np.ndarray):
        floating = A.dtype if A.dtype.kind not in "iub" else np.dtype(np.float64)
    elif xp.isdtype(A.dtype, ("bool", "integral")):
        floating = xp.float64
    real = xp.real(xp.zeros((), dtype=floating)).dtype if _is_complex(xp, floating) else floating
    info = _stacked_info([], batch)
    if kind is None:
        columns = min(k + plan.n_oversamples, m, n)
        return xp.zeros((*batch, m, columns), dtype=floating), info
    arrays = [
        xp.zeros((*batch, *shape), dtype=dtype)
        for shape, dtype in (((m, k), floating), ((k,), real), ((k, n), floating))
    ]
    extras: dict[str, Any] = {}
    if kind is PCAResult:
        extras = {"mean": xp.zeros((*batch, n), dtype=floating)}
        extras |= dict.fromkeys(("explained_variance", "explained_variance_ratio"), arrays[1])
    return kind(*arrays, rank=k, info=info, **extras)


def _is_complex(xp: Any, dtype: Any) -> bool:
    return bool(dtype.kind == "c" if xp is np else xp.isdtype(dtype, "complex floating"))


def _products(A: Any, stream: Stream) -> tuple[Products, Any]:
    """A through its products, and the dtype of the result."""
    if operators.is_device_sparse(A):
        device = dispatch.backend("cupy").svd
        A = device.canonical(A)
        return Sparse(A, Algebra(A.data, A.dtype.char, stream)), A.dtype
    if operators.is_sparse(A):
        A = canonical(A)
        char = validate.compute_char("A", A.dtype)
        wanted = A.dtype if A.dtype.char == "e" else np.dtype(char)
        return Sparse(A.astype(char, copy=False), Algebra(np.empty(0), char, stream)), wanted
    if operators.is_operator(A):
        char = validate.compute_char("A", np.dtype(A.dtype))
        return Operator(A, Algebra(np.empty(0), char, stream)), np.dtype(char)
    if isinstance(A, np.ndarray):
        char = validate.compute_char("A", A.dtype)
        narrow = A.dtype.char == "e" or A.dtype.name == "bfloat16"
        wanted = A.dtype if narrow else np.dtype(char)
        algebra = Algebra(A, char, stream)
        by_lines = A.flags.c_contiguous or A.flags.f_contiguous
        if isinstance(A, np.memmap):
            return Panels(A.view(np.ndarray), algebra), wanted
        if not by_lines or not A.flags.aligned or A.dtype != char:
            A = validate.packed(A, char)
        return Dense(A, algebra), wanted
    xp = dispatch.namespace(A)
    dtype = xp.float64 if xp.isdtype(A.dtype, ("bool", "integral")) else A.dtype
    working = xp.float32 if "float16" in str(dtype) else dtype
    chars = {xp.float32: "f", xp.float64: "d", xp.complex64: "F", xp.complex128: "D"}
    char = next((c for known, c in chars.items() if known == working), "")
    if not char:
        raise TypeError(f"A has dtype {dtype}; expected a real or complex floating type")
    return Dense(xp.astype(A, working), Algebra(A, char, stream)), dtype


def _one(A: Any, plan: Plan, stream: Stream, kind: type[Result] | None) -> Any:
    """One matrix."""
    P, wanted = _products(A, stream)
    mu = None
    try:
        P.prepare()
        if plan.center:
            P, mu = centred(P)
        if kind is None and plan.rtol is None:
            return _basis(P, plan, wanted)
        tall = P.shape[0] >= P.shape[1]
        T = P if tall else Adjoint(P)
        f = _factors(T, plan)
    except NotFiniteError:
        raise np.linalg.LinAlgError("A has a NaN or an infinity") from None
    except OverflowError:
        raise beyond_range() from None
    U, V = (f.U, f.V) if tall else (f.V, f.U)
    algebra = P.algebra
    if not f.signed:
        U, V = algebra.signs(U, V)
    with np.errstate(all="ignore"):
        s = (f.s.astype(np.float64) / P.scale).astype(f.s.dtype)
    if not np.isfinite(s).all():
        raise beyond_range()
    rank = len(s)
    info = SVDInfo(
        f.n_iter, T.passes, f.error_fro / P.scale, f.error_2_bound / P.scale, bool(f.converged),
        f.method, algebra.fallbacks, f.precision, P.cancellation,
    )  # fmt: skip
    U, Vh = (as_wanted(algebra, X, wanted) for X in (U, algebra.adjoint(V)))
    if kind is None:
        return U, info
    S = as_wanted(algebra, algebra.real_from_host(s), wanted, True)
    if kind is not PCAResult:
        return SVDResult(U, S, Vh, rank=rank, info=info)
    assert mu is not None
    norm2 = math.hypot(np.linalg.norm(f.s), f.error_fro) ** 2 if P.norm2 is None else P.norm2
    squares = f.s.astype(np.float64) ** 2
    return PCAResult(
        U,
        S,
        Vh,
        mean=as_wanted(algebra, algebra.from_host(mu), wanted),
        explained_variance=as_wanted(
            algebra, algebra.real_from_host(variances(s, P.shape[0])), wanted, True, infinite=True
        ),
        explained_variance_ratio=as_wanted(
            algebra, algebra.real_from_host(squares / norm2 if norm2 else 0 * squares), wanted, True
        ),
        rank=rank,
        info=info,
    )


def as_wanted(
    algebra: Algebra, X: Any, wanted: Any, real: bool = False, infinite: bool = False
) -> Any:
    """In the dtype of the result, which differs for half precision alone.

    Values that this cannot hold are an error, if they are not to become infinite.
    """
    if algebra.kind != "numpy":
        narrow = algebra.xp.astype(X, wanted) if "float16" in str(wanted) else X
    elif algebra.complex or real:
        with np.errstate(all="ignore"):
            narrow = X if wanted.itemsize > 2 else X.astype(wanted)
    else:
        narrow = X.astype(wanted, copy=False)
    looked = narrow is not X and real and not infinite
    if looked and not bool(algebra.xp.all(algebra.xp.isfinite(narrow))):
        raise beyond_range("a value")
    return narrow


def _factors(A: Products, plan: Plan) -> Factors:
    """The decomposition of a matrix that is tall."""
    if A.zero:
        return zero(A, plan.k or 1)
    method, k = plan.choose(A), plan.k
    if method == "exact":
        return exact(A, k, plan.rtol, plan.max_rank)
    if k is None:
        assert plan.rtol is not None
        return adaptive(A, plan.rtol, plan.max_rank, plan.n_oversamples, plan.iterations)
    p = A.shape[1]
    if method == "gram":
        found = gram(A, k)
        if found is not None:
            return found
        method = "subspace"
    if method == "krylov":
        width, steps = krylov_shape(k, plan.n_oversamples, p, plan.n_iter)
        if width * (steps + 1) <= p:
            wide = min(k + plan.n_oversamples, p) if plan.n_iter is None else None
            return krylov(A, k, width, steps, wide)
    width = min(k + plan.n_oversamples, p)
    return subspace(A, k, width, plan.iterations, _single(A, plan))


def _single(A: Products, plan: Plan) -> Products | None:
    """A in single precision, where iterations in it are wanted and pay."""
    if plan.precision == "same" or A.algebra.char not in "dD" or plan.iterations == 0:
        return None
    if plan.precision == "auto" and A.shape[0] * A.shape[1] < 1 << 18:
        return None
    return A.single()


def _basis(A: Products, plan: Plan, wanted: Any) -> tuple[Any, SVDInfo]:
    """Columns that span what A does: Algorithm 4.4, and probes of what is left."""
    algebra, (m, n) = A.algebra, A.shape
    assert plan.k is not None
    width = min(plan.k + plan.n_oversamples, m, n)
    if A.zero:
        Q = algebra.from_host(np.eye(m, width))
        return as_wanted(algebra, Q, wanted), SVDInfo(0, 0, 0.0, 0.0, True, "subspace", 0)
    Z = algebra.gaussian(n, 0, width)
    omega = algebra.probes(n)
    for _ in range(plan.iterations):
        Y, _ = algebra.normalise(A.matmat(Z))
        Z, R = algebra.normalise(A.rmatmat(Y))
    Ys = A.matmat(algebra.beside([Z, omega]))
    Q, last = algebra.orthonormalise(Ys[:, :width])
    Ye = Ys[:, width:]
    norms = algebra.column_norms(Ye - Q @ (algebra.adjoint(Q) @ Ye))
    s = np.linalg.svd(last, compute_uv=False)
    norm = math.sqrt(A.norm2) if A.norm2 is not None else float(np.linalg.norm(s))
    floor = algebra.eps * norm
    error = max(math.sqrt(float((norms**2).mean())), 30 * floor)
    converged = error <= 100 * floor
    if plan.iterations:
        before = np.linalg.svd(R, compute_uv=False)[: plan.k]
        change = np.abs(s[: plan.k] - before)
        converged = converged or bool((change <= 1e-2 * s[: plan.k] + 100 * floor).all())
    bound = 10 * math.sqrt(2 / math.pi) * max(float(norms.max()), floor)
    info = SVDInfo(
        plan.iterations, A.passes, error / A.scale, bound / A.scale, converged, "subspace",
        algebra.fallbacks,
    )  # fmt: skip
    return as_wanted(algebra, Q, wanted), info
