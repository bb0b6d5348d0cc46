"""Eigenvalues of largest modulus of Hermitian matrices, from products with blocks of columns."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ._core import dispatch, operators, validate
from ._core.random import Stream, as_stream
from ._core.results import Result
from ._svd import _products, as_wanted
from ._svd_algebra import Algebra, NotFiniteError
from ._svd_fixed import errors, krylov_shape
from ._svd_products import Products

_SMALL = 64  # sizes up to which LAPACK is as fast
_METHODS = ("auto", "exact", "krylov", "nystrom", "subspace")
_CONVERGED = 1e-2  # residuals beside values
_ENOUGH = 1e-4  # at which Krylov iteration stops by itself
_CHECKS = 2  # products that look for eigenvalues that a narrow block has missed
_WIDE_STEPS = 8  # of blocks that do not miss any


@dataclass(frozen=True)
class EighInfo:
    """What a decomposition did: one value for one matrix, arrays of the batch's shape for a batch.

    Attributes
    ----------
    n_iter : int or ndarray
        Iterations.
    passes : int or ndarray
        Products of A with a block.
    error_fro : float or ndarray
        Estimate of ``norm(A - V w V^H, "fro")``: by the norms of A and w where these tell it, else
        by 6 Gaussian probes, which are within a factor 2 in 19 of 20 cases.  Never below
        ``30 eps norm(A)``.
    error_2_bound : float or ndarray
        Bound of ``norm(A - V w V^H, 2)``, true with probability ``1 - 1e-6``; often 10 to 50 times
        too large.
    error_nuclear : float or ndarray
        The nuclear norm of ``A - V w V^H``, of ``"nystrom"``, where A has a diagonal to look at;
        else NaN.
    residual : float or ndarray
        The largest ``norm(A v - w v)``: no value is farther than that from an eigenvalue.  NaN for
        ``"nystrom"``, which has no product left to tell it.
    converged : bool or ndarray
        Whether each residual is at most a hundredth of its value, or nothing was left.  No value
        is then farther than a hundredth from an eigenvalue; one apart from the others is right to
        a ten-thousandth or so.  Of ``"nystrom"``, whether the last product
        changed no value by more than a hundredth.
    method : str or ndarray
        ``"subspace"``, ``"krylov"``, ``"nystrom"``, ``"exact"``.
    fallbacks : int or ndarray
        Panels that were made orthonormal by Householder's method.
    asymmetry : float or ndarray
        ``norm(A - A^H) / norm(A)``, as those products tell it: what there is of it is left out.
    """

    n_iter: Any
    passes: Any
    error_fro: Any
    error_2_bound: Any
    error_nuclear: Any
    residual: Any
    converged: Any
    method: Any
    fallbacks: Any
    asymmetry: Any


class EighResult(Result):
    """Result of `randomized_eigh`; unpacks as ``eigenvalues, eigenvectors``.

    Attributes
    ----------
    eigenvalues : array, shape (..., k)
        Real, by falling modulus.
    eigenvectors : array, shape (..., n, k)
        Orthonormal columns; the entry of largest modulus in each is real and positive.
    rank : int
        k.
    info : EighInfo
        What was done.
    """

    _fields = ("eigenvalues", "eigenvectors")
    _extras = ("rank", "info")


def randomized_eigh(
    A: Any,
    k: int,
    *,
    psd: bool = False,
    n_oversamples: int = 10,
    n_iter: int | str = "auto",
    method: str = "auto",
    rng: Any = None,
) -> Any:
    """Eigenvalues of largest modulus of Hermitian matrices, and their eigenvectors.

    Parameters
    ----------
    A : array_like, shape (..., n, n), sparse array, or operator
        Real symmetric or complex Hermitian matrices, of any strides: an array of NumPy
        (memory-mapped ones are read a panel at a time), CuPy, torch or another array-API library;
        one sparse array of SciPy or CuPy; or one object with ``shape``, ``dtype`` and ``matmat``.
        float16 and bfloat16 are computed in float32 and returned as they came; integers and bool
        become float64.  Not modified.
    k : int
        Eigenvalues, in ``[1, n]``.
    psd : bool, default False
        A is positive semidefinite; then one product can give a useful approximation.  It is
        checked as far as the products tell, which is for eigenvalues that are among those found.
    n_oversamples : int, default 10
        Columns beyond k; as far as n allows.
    n_iter : int or "auto", default "auto"
        Products between the first and the last one ("krylov": blocks after the first; "nystrom":
        products before the last one).  "auto" means what the method wants.  An integer asks for
        subspace iteration, or with `psd` for Nystrom's approximation, unless `method` says
        otherwise.
    method : str, default "auto"
        Block ``"krylov"`` iteration, ``"subspace"`` iteration, ``"nystrom"`` (with `psd`), or
        ``"exact"``, LAPACK's.  "auto" means "exact" for small matrices or half of all values,
        else "krylov".
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the Gaussian columns.

    Returns
    -------
    EighResult
        ``eigenvalues, eigenvectors``, in the type of `A` (NumPy for sparse arrays and operators),
        with attributes ``rank`` and ``info``.

    Raises
    ------
    ValueError
        If A is not square, is empty or is not Hermitian, a number is out of its range, or an option
        is unknown.
    TypeError
        If the dtype is not supported, a number is of the wrong kind, an operator lacks ``matmat``
        or returns a wrong block, or `A` is a masked array, a matrix or a JAX tracer.
    numpy.linalg.LinAlgError
        If a matrix has a NaN or an infinity, or an eigenvalue is beyond the range of its dtype;
        with `psd`, if a clearly negative eigenvalue is met.

    See Also
    --------
    randomized_svd : Of any matrix.
    numpy.linalg.eigh : All eigenvalues.
    scipy.sparse.linalg.eigsh : The peer, a column at a time.

    Notes
    -----
    Krylov iteration [2]_ multiplies A by about k / 4 columns at a time, and stops when each
    residual ``norm(A v - w v)`` is at most 1e-4 of its value, after 14 products at most; ``n_iter``
    asks for a number of them.  Values are then right to 1e-7 or so, since their errors are of the
    size of ``residual**2 / gap``.  A block sees no more equal eigenvalues than it has columns:
    two products with the probes look for larger ones that were missed, and if there are any,
    the iteration begins again with l = k + n_oversamples columns.  Subspace iteration takes
    ``n_iter + 2`` products of ``2 n**2 l`` flops ("auto": 8 iterations), which is less accurate
    for as much work.

    Nystrom's approximation [1]_, ``(A X) (X^H A X)^-1 (A X)^H``, takes ``n_iter + 1`` products
    ("auto": one).  It is never above A, but for rounding, and its error in the nuclear norm is
    known from the trace.

    That A is Hermitian is checked by the products with random columns, ``X^H A X``: an asymmetry
    beyond ``sqrt(eps)`` is an error.

    References
    ----------
    .. [1] J. A. Tropp, A. Yurtsever, M. Udell, V. Cevher, "Fixed-rank approximation of a
       positive-semidefinite matrix from streaming data", NeurIPS 2017, arXiv:1706.05736.
    .. [2] C. Musco, C. Musco, "Randomized block Krylov methods for stronger and faster approximate
       singular value decomposition", arXiv:1504.05477.

    N. Halko, P.-G. Martinsson, J. A. Tropp, "Finding structure with randomness", SIAM Rev. 53
    (2011), 217-288, arXiv:0909.4061.

    Examples
    --------
    >>> import numpy as np, randla
    >>> i = np.arange(1, 301)
    >>> V = np.sqrt(2 / 301) * np.sin(np.pi * np.outer(i, i) / 301)
    >>> A = (V * (-0.5) ** i) @ V  # eigenvalues -1/2, 1/4, -1/8, ...
    >>> w, X = randla.randomized_eigh(A, 3, rng=0)
    >>> w.round(6)
    array([-0.5  ,  0.25 , -0.125])
    >>> bool(np.allclose(A @ X, X * w))
    True
    """
    plan = _Plan(k, psd, n_oversamples, n_iter, method)
    if operators.is_operator(A) or operators.is_device_sparse(A):
        plan.of(tuple(A.shape))
        return _one(A, plan, as_stream(rng))
    arrays = validate.numpy_arrays(A=A)
    if arrays is not None:
        A = arrays[0]
        validate.compute_char("A", A.dtype)
    plan.of(tuple(A.shape))
    stream = as_stream(rng)
    adapter = dispatch.adapter(A) if arrays is None else None
    if adapter is not None:
        return adapter.randomized_eigh(
            A, plan.k, psd=psd, n_oversamples=n_oversamples, n_iter=n_iter, method=method,
            rng=stream,
        )  # fmt: skip
    return _decompose(A, plan, stream)


class _Plan:
    """What a call asks for, checked; `of` adds the shape."""

    def __init__(
        self, k: int, psd: bool, n_oversamples: int, n_iter: int | str, method: str
    ) -> None:
        self.k = validate.integer("k", k)
        if not isinstance(psd, (bool, np.bool_)):
            raise TypeError(f"psd must be True or False, got {type(psd).__name__}")
        self.psd = bool(psd)
        self.n_oversamples = validate.integer("n_oversamples", n_oversamples)
        validate.inside("n_oversamples", self.n_oversamples, 0, 2**31)
        self.n_iter = None
        if isinstance(n_iter, str):
            if n_iter != "auto":
                raise ValueError(f"n_iter must be an integer or 'auto', got {n_iter!r}")
        else:
            self.n_iter = validate.integer("n_iter", n_iter)
            validate.inside("n_iter", self.n_iter, 0, 1000)
        validate.option("method", method, _METHODS)
        if method == "nystrom" and not psd:
            raise ValueError("method='nystrom' goes with psd=True")
        self.method = method

    def of(self, shape: tuple[int, ...]) -> None:
        """Check what depends on the shape of A."""
        validate.square("A", shape)
        if shape[-1] == 0:
            raise ValueError(f"A must not be empty in its last two dimensions, got shape {shape}")
        validate.inside("k", self.k, 1, shape[-1], " = [1, n]")

    def choose(self, n: int) -> str:
        """The method for a matrix of this size."""
        width = self.k + self.n_oversamples
        if width >= n or self.method == "exact":
            return "exact"
        if self.method != "auto":
            return self.method
        if self.n_iter is None and (2 * self.k >= n or n <= _SMALL):
            return "exact"
        if self.n_iter is None:
            return "krylov"
        return "nystrom" if self.psd else "subspace"


# ---- one call ------------------------------------------------------------------------------------


def _decompose(A: Any, plan: _Plan, stream: Stream) -> Any:
    """Arrays of any library; a batch one after the other."""
    batch = tuple(A.shape[:-2])
    if not batch:
        return _one(A, plan, stream)
    xp = np if isinstance(A, np.ndarray) else dispatch.namespace(A)
    count, n = math.prod(batch), A.shape[-1]
    # the result of an empty batch has the dtypes of others
    flat = xp.reshape(A, (count, n, n)) if count else xp.zeros((1, n, n), dtype=A.dtype)
    parts = []
    for i in range(max(count, 1)):
        try:
            parts.append(_one(flat[i, ...], plan, stream.advance(i)))
        except (np.linalg.LinAlgError, ValueError) as error:
            where = tuple(int(j) for j in np.unravel_index(i, batch))
            text = str(error).removeprefix("A ")
            raise type(error)(f"matrix {where} of A {text}") from None
    w, V = (xp.stack(x)[:count, ...] for x in zip(*parts, strict=True))
    columns = ([getattr(part.info, f.name) for part in parts[:count]] for f in fields(EighInfo))
    info = EighInfo(
        *(
            np.array(c, dtype=object if c and isinstance(c[0], str) else None).reshape(batch)
            for c in columns
        )
    )
    shapes = (*batch, plan.k), (*batch, n, plan.k)
    return EighResult(xp.reshape(w, shapes[0]), xp.reshape(V, shapes[1]), rank=plan.k, info=info)


def _one(A: Any, plan: _Plan, stream: Stream) -> EighResult:
    """One matrix."""
    P, wanted = _products(A, stream)
    algebra = P.algebra
    try:
        P.prepare()
        f = _factors(P, plan)
    except NotFiniteError:
        raise np.linalg.LinAlgError("A has a NaN or an infinity") from None
    with np.errstate(all="ignore"):
        w = (f.w / P.scale).astype(algebra.char.lower())
    if not np.isfinite(w).all():
        raise np.linalg.LinAlgError("A has an eigenvalue beyond the range of its dtype")
    info = EighInfo(
        f.n_iter,
        P.passes,
        f.error_fro / P.scale,
        f.error_2_bound / P.scale,
        f.error_nuclear / P.scale,
        f.residual / P.scale,
        bool(f.converged),
        f.method,
        algebra.fallbacks,
        f.asymmetry,
    )
    return EighResult(
        as_wanted(algebra, algebra.real_from_host(w), wanted, True),
        as_wanted(algebra, algebra.signs(f.V, f.V)[0], wanted),
        rank=plan.k,
        info=info,
    )


@dataclass
class _Factors:
    """Eigenvalues (on the host, of scale * A) and vectors, and what is known of them."""

    w: np.ndarray
    V: Any
    method: str
    n_iter: int = 0
    asymmetry: float = 0.0
    residual: float = 0.0
    error_fro: float = 0.0
    error_2_bound: float = 0.0
    error_nuclear: float = math.nan
    converged: bool = True


def _factors(A: Products, plan: _Plan) -> _Factors:
    algebra, n = A.algebra, A.shape[0]
    if A.zero:
        return _zero(A, plan)
    method = plan.choose(n)
    if method == "exact":
        return _exact(A, plan)
    width = min(plan.k + plan.n_oversamples, n)
    steps = 0
    if method == "krylov":
        width, steps = krylov_shape(plan.k, plan.n_oversamples, n, plan.n_iter)
        if width * (steps + 1) > n:
            return _exact(A, plan)
    X, omega = algebra.gaussian(n, 0, width), algebra.probes(n)
    if method == "nystrom":
        X = algebra.orthonormalise(X)[0]
    both = algebra.beside([X, omega])
    Ys = A.matmat(both)
    if not algebra.column_norms(Ys).any():
        return _zero(A, plan)
    asymmetry = _hermitian(algebra, both, Ys)
    Y, Ye = Ys[:, :width], Ys[:, width:]
    f = None
    if method == "nystrom":
        f = _nystrom(A, plan, X, Y)
        if f is None:  # no factor: of the Ritz values then
            method = "subspace"
    if f is None:
        f = _krylov(A, plan, Y, steps) if method == "krylov" else _subspace(A, plan, Y)
    # of a number of products that was asked for, only what would be said to have converged
    narrow = method == "krylov" and width < plan.k and (plan.n_iter is None or f.converged)
    if narrow and _missed(A, f, Ye, omega):
        if plan.n_iter is None:
            f = _wide(A, plan)
            if f.method == "exact":
                return f
        else:
            f.converged = False
    f.asymmetry = asymmetry
    E = Ye - algebra.scaled_columns(f.V, f.w) @ (algebra.adjoint(f.V) @ omega)
    norms = algebra.column_norms(E)
    norm2 = math.nan if A.norm2 is None or f.method == "nystrom" else A.norm2
    rest = math.sqrt(float((norms**2).mean()))
    norm = math.hypot(float(np.linalg.norm(f.w)), rest) if A.norm2 is None else math.sqrt(A.norm2)
    f.error_fro, f.error_2_bound = map(float, errors(norms, f.w, norm2, norm, algebra.eps))
    f.converged = f.converged or f.error_fro <= 100 * algebra.eps * norm
    return f


def _zero(A: Products, plan: _Plan) -> _Factors:
    V = A.algebra.from_host(np.eye(A.shape[0], plan.k))
    return _Factors(np.zeros(plan.k), V, "exact", error_nuclear=0.0 if plan.psd else math.nan)


def _host(X: Any) -> np.ndarray:
    """A small matrix in double precision."""
    x = dispatch.to_numpy(X)
    return x.astype(np.result_type(x.dtype, np.float64))


def _hermitian(algebra: Algebra, X: Any, Y: Any) -> float:
    """norm(A - A^H) / norm(A), by G = X^H A X for Gaussian X; ValueError if it is not rounding."""
    length = algebra.column_norms(X) / math.sqrt(X.shape[0])  # 1, or so, of Gaussian columns
    G = _host(algebra.adjoint(X) @ Y) / length / length[:, None]
    size = float(np.linalg.norm(algebra.column_norms(Y) / length))
    # E |X^H K X|^2 = columns^2 |K|^2, E |A X|^2 = columns |A|^2
    off = float(np.linalg.norm(G - G.conj().T)) / (math.sqrt(X.shape[1]) * size)
    return _rounding(algebra, off)


def _rounding(algebra: Algebra, off: float) -> float:
    if not math.isfinite(off):
        raise NotFiniteError
    if off > math.sqrt(algebra.eps):
        raise ValueError(f"A must be Hermitian, got norm(A - A^H) / norm(A) = {off:.1e}")
    return off


def _positive(A: Products, values: np.ndarray, rounding: float) -> None:
    """Of values that are not below the least eigenvalue of scale * A."""
    least = float(values.min())
    if least < -rounding:
        raise np.linalg.LinAlgError(
            f"A is not positive semidefinite: it has an eigenvalue of at most {least / A.scale:.3g}"
        )


def _ritz(A: Products, plan: _Plan, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The k values of largest modulus of T, and their vectors."""
    if not np.isfinite(T).all():
        raise NotFiniteError
    w, W = np.linalg.eigh((T + T.conj().T) / 2)
    if plan.psd:
        _positive(A, w, 100 * math.sqrt(len(w)) * A.algebra.eps * float(np.abs(w).max()))
    order = np.argsort(-np.abs(w), kind="stable")[: plan.k]
    return w[order], W[:, order]


def _subspace(A: Products, plan: _Plan, Y: Any) -> _Factors:
    """Subspace iteration, and the eigenvalues of Q^H A Q."""
    algebra = A.algebra
    n_iter = 8 if plan.n_iter is None else plan.n_iter
    for _ in range(n_iter):
        Y = A.matmat(algebra.normalise(Y)[0])
    Q, _ = algebra.orthonormalise(Y)
    B = A.matmat(Q)
    w, W = _ritz(A, plan, _host(algebra.adjoint(Q) @ B))
    W = algebra.from_host(W)
    V = Q @ W
    residuals = algebra.column_norms(B @ W - algebra.scaled_columns(V, w))
    return _ended(A, w, V, "subspace", n_iter, residuals)


def _krylov(A: Products, plan: _Plan, Y: Any, steps: int) -> _Factors:
    """Block Krylov iteration; blocks are made orthogonal to all before.

    With Q = [Q_0, ..., Q_s], A Q = Q T + F E^H, where F is what A Q_s adds to the span and E^H
    takes the last block of rows: the residual of Q w is F E^H w.
    """
    algebra = A.algebra
    Q, F, T = None, Y, np.zeros((0, 0))
    for step in range(steps + 1):
        Qi = algebra.extend(Q, F)
        Q = algebra.beside([Q, Qi])
        Y = A.matmat(Qi)
        inside = algebra.adjoint(Q) @ Y
        F = Y - Q @ inside
        column = _host(inside)
        old, size = len(T), len(column)
        grown = np.zeros((size, size), column.dtype)
        grown[:old, :old], grown[:, old:], grown[old:, :old] = T, column, column[:old].conj().T
        T = grown
        # a small matrix, but not so small that it were to be asked before it can be enough
        if step == steps or (plan.n_iter is None and size >= 2 * plan.k and step % 2):
            w, W = _ritz(A, plan, T)
            rest = W[old:]
            squares = np.einsum("ij,ij->j", rest.conj(), _host(algebra.adjoint(F) @ F) @ rest).real
            residuals = np.sqrt(np.maximum(squares, 0))
            if (residuals <= _ENOUGH * np.abs(w) + _rest(A, w)).all():
                break
    return _ended(A, w, Q @ algebra.from_host(W), "krylov", step, residuals)


def _missed(A: Products, f: _Factors, Ye: Any, omega: Any) -> bool:
    """Whether what is left of A has an eigenvalue that should be among those found.

    Blocks of b columns see no more than b of equal eigenvalues, and their residuals are as small
    as others.  The probes are independent: steps of a power iteration with them give lower bounds
    of the norm of A - V w V^H, so that a sound result is never refused.
    """
    algebra, least = A.algebra, float(np.abs(f.w).min())
    limit = (1 + _CONVERGED) * least + f.residual + _rest(A, f.w)
    X, Y = omega, Ye
    for step in range(_CHECKS + 1):
        E = Y - algebra.scaled_columns(f.V, f.w) @ (algebra.adjoint(f.V) @ X)
        if float(algebra.column_norms(E).max()) <= _rest(A, f.w):
            return False
        X, R = algebra.normalise(E)
        if step and float(np.linalg.norm(_host(R), 2)) > limit:
            return True
        if step == _CHECKS:
            return False
        Y = A.matmat(X)
    raise AssertionError  # the loop returns


def _wide(A: Products, plan: _Plan) -> _Factors:
    """Krylov iteration whose blocks see as many equal eigenvalues as are wanted."""
    n = A.shape[0]
    width = min(plan.k + plan.n_oversamples, n)
    if width * (_WIDE_STEPS + 1) > n and A.dense:
        return _exact(A, plan)
    steps = min(_WIDE_STEPS, n // width - 1)
    first = A.matmat(A.algebra.gaussian(n, 0, width))
    return _krylov(A, plan, first, steps)


def _ended(
    A: Products, w: np.ndarray, V: Any, method: str, n_iter: int, residuals: np.ndarray
) -> _Factors:
    f = _Factors(w, V, method, n_iter, residual=float(residuals.max()))
    f.converged = bool((residuals <= _CONVERGED * np.abs(w) + _rest(A, w)).all())
    return f


def _rest(A: Products, w: np.ndarray) -> float:
    """A residual that is rounding."""
    return 100 * A.algebra.eps * float(np.abs(w).max())


def _nystrom(A: Products, plan: _Plan, X: Any, Y: Any) -> _Factors | None:
    """F F^H - nu with F = Y C^-1, Y = A X + nu X, C^H C = X^H Y (arXiv:1706.05736, algorithm 3).

    None where rounding leaves no factor C.
    """
    algebra, n = A.algebra, A.shape[0]
    n_iter = plan.n_iter or 0
    for step in range(n_iter + 1):
        H = _host(algebra.adjoint(X) @ Y)
        nu = math.sqrt(n) * algebra.eps * float(np.linalg.norm(algebra.column_norms(Y)))
        values = np.linalg.eigvalsh((H + H.conj().T) / 2)
        _positive(A, values, 100 * nu)
        if step < n_iter:
            before = values[::-1][: plan.k]
            X, _ = algebra.orthonormalise(Y)
            Y = A.matmat(X)
    for _ in range(4):
        shifted = Y + nu * X
        H = _host(algebra.adjoint(X) @ shifted)
        try:
            C = np.linalg.cholesky((H + H.conj().T) / 2)
        except np.linalg.LinAlgError:
            nu *= 10
            continue
        F = shifted @ algebra.from_host(np.linalg.inv(C).conj().T)
        Q, R = algebra.orthonormalise(F)
        U, s, _ = np.linalg.svd(_host(R))
        w = np.maximum(s[: plan.k] ** 2 - nu, 0)
        f = _Factors(w, Q @ algebra.from_host(U[:, : plan.k]), "nystrom", n_iter, residual=math.nan)
        trace = A.trace()
        if trace is not None:
            floor = 30 * algebra.eps * abs(trace)
            f.error_nuclear = max(trace - float(w.sum()), floor)
        close = np.abs(w - before) <= _CONVERGED * w + 100 * nu if n_iter else np.zeros(1)
        f.converged = bool(close.all())
        return f
    return None


def _exact(A: Products, plan: _Plan) -> _Factors:
    """LAPACK's, of the dense matrix."""
    algebra, xp = A.algebra, A.algebra.xp
    entries = A.entries()
    if not bool(xp.all(xp.isfinite(entries))):
        raise NotFiniteError
    across = algebra.adjoint(entries)
    norm = float(np.linalg.norm(algebra.column_norms(entries)))
    off = float(np.linalg.norm(algebra.column_norms(entries - across)))
    asymmetry = _rounding(algebra, off / norm if norm else 0.0)
    w, V = xp.linalg.eigh((entries + across) / 2)
    w = _host(w)
    if plan.psd:
        _positive(A, w, 100 * math.sqrt(len(w)) * algebra.eps * norm)
    order = np.argsort(-np.abs(w), kind="stable")
    kept, rest = order[: plan.k], w[order[plan.k :]]
    chosen = V @ algebra.from_host(np.eye(len(w))[:, kept])
    f = _Factors(w[kept], chosen, "exact", asymmetry=asymmetry)
    floor = algebra.eps * norm
    f.residual = 30 * floor
    f.error_fro = max(float(np.linalg.norm(rest)), 30 * floor)
    f.error_2_bound = max(float(np.abs(rest).max(initial=0)), floor)
    if plan.psd:
        f.error_nuclear = max(float(np.abs(rest).sum()), 30 * floor)
    return f
