"""The singular value decomposition of fixed rank: subspace and Krylov iterations, Gram, exact.

All of them work on a tall matrix (the adjoint of a wide one) through its products, and end alike:
an orthonormal basis Q of columns, B = Q^H A, and LAPACK for a triangle of a few rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._core import dispatch
from ._svd_algebra import Algebra, NotFiniteError
from ._svd_products import RANGES, Products


@dataclass
class Factors:
    """U (m x k), s (on the host, of scale * A) and V (n x k), and what is known of them."""

    U: Any
    s: np.ndarray
    V: Any
    method: str
    n_iter: int = 0
    error_fro: float = 0.0
    error_2_bound: float = 0.0
    converged: bool = True
    precision: str = "same"
    signed: bool = False  # U has the signs that it is returned with


def _norm(A: Products, s: np.ndarray, rest: float) -> float:
    """The norm of A; where entries cannot be asked, of what was found of it."""
    if A.norm2 is not None:
        return math.sqrt(A.norm2)
    return math.hypot(float(np.linalg.norm(s.astype(np.float64))), rest)


def residual_norms(algebra: Algebra, Y: Any, omega: Any, f: Factors) -> np.ndarray:
    """Norms of the columns of (A - U S V^H) Omega, with Y = A Omega."""
    E = Y - algebra.scaled_columns(f.U, f.s) @ (algebra.adjoint(f.V) @ omega)
    return algebra.column_norms(E)


def estimate(A: Products, f: Factors, Y: Any, omega: Any) -> None:
    """Fill in the errors: by the probes Y = A Omega, and by norms where these tell more.

    E ||M omega||^2 = ||M||_F^2 for Gaussian omega; 10 sqrt(2 / pi) times the largest of six
    such norms bounds ||M||_2 with probability 1 - 10^-6 (Halko, Martinsson, Tropp 2011,
    section 4.3).
    """
    from_norms(A, f, residual_norms(A.algebra, Y, omega, f))


def from_norms(A: Products, f: Factors, norms: np.ndarray) -> None:
    """The same from the norms of the residuals of probes."""
    error = math.sqrt(float((norms**2).mean()))
    known = math.nan if A.norm2 is None else A.norm2
    found = errors(norms, f.s, known, _norm(A, f.s, error), A.algebra.eps)
    f.error_fro, f.error_2_bound = map(float, found)


def errors(norms: Any, s: Any, norm2: Any, norm: Any, eps: float) -> tuple[Any, Any]:
    """error_fro and error_2_bound of matrices: norms (..., probes), s (..., k), norm2 or NaN."""
    rest = norm2 - (s.astype(np.float64) ** 2).sum(axis=-1)
    by_probes = np.sqrt((norms**2).mean(axis=-1))
    error = np.where(rest > 100 * eps * norm2, np.sqrt(np.maximum(rest, 0)), by_probes)
    bound = 10 * math.sqrt(2 / math.pi) * np.maximum(norms.max(axis=-1), eps * norm)
    return np.maximum(error, 30 * eps * norm), bound


def decompose(algebra: Algebra, Q: Any, BH: Any, k: int | None = None) -> Any:
    """U, s, V of Q B for orthonormal Q and B^H = BH; also BH's triangle, and U in terms of Q."""
    Vb, R = algebra.orthonormalise(BH)
    W, s, Xh = np.linalg.svd(R.conj().T)
    V = Vb @ algebra.from_host(Xh[:k].conj().T)
    U = Q @ algebra.from_host(W[:, :k])
    return U, s[:k], V, R, W[:, :k]


def _change(s: np.ndarray, before: np.ndarray | None, eps: float) -> bool:
    """Whether singular values stay within a hundredth of what they were an iteration before."""
    if before is None:
        return False
    k = len(s)
    return bool((np.abs(s - before[:k]) <= 1e-2 * s + 100 * eps * s[0]).all())


def _exact_rank(A: Products, f: Factors) -> bool:
    """Whether nothing is left: then there was nothing to converge."""
    return f.error_fro <= 100 * A.algebra.eps * _norm(A, f.s, f.error_fro)


def subspace(A: Products, k: int, width: int, n_iter: int, low: Products | None) -> Factors:
    """Subspace iteration (Halko, Martinsson, Tropp, arXiv:0909.4061, algorithms 4.4 and 5.1).

    `low`, if there is one, is A in single precision, up to a factor: it serves all but the last two
    passes.
    """
    algebra = A.algebra
    if low is None and A.stored is not None and algebra.kind == "numpy":
        return _by_the_core(A, k, width - k, n_iter)
    work = low or A
    Z = work.algebra.cast(algebra.gaussian(A.shape[1], 0, width))
    omega = algebra.probes(A.shape[1])
    for _ in range(n_iter):
        Y, _ = work.algebra.normalise(work.matmat(Z))
        Z, _ = work.algebra.normalise(work.rmatmat(Y))
    algebra.fallbacks += 0 if low is None else low.algebra.fallbacks
    A.passes += 0 if low is None else low.passes
    if low is not None:
        Z = algebra.cast(Z)
    Ys = A.matmat(algebra.beside([Z, omega]))
    Y, Ye = Ys[:, :width], Ys[:, width:]
    while True:
        Q, triangle = algebra.orthonormalise(Y)
        U, s, V, _, W = decompose(algebra, Q, A.rmatmat(Q), k)
        # what single precision cannot hold beside s[0]: one iteration more in double
        if low is None or s[-1] >= 1e-6 * s[0]:
            break
        Z, _ = algebra.normalise(A.rmatmat(Q))
        Y, low, n_iter = A.matmat(Z), None, n_iter + 1
    # A Z = Q R: |R^H w_i| is what the span of Z had of s_i = |A^H u_i|
    before = np.linalg.norm(triangle.conj().T @ W, axis=0) if n_iter else None
    f = Factors(U, s, V, "subspace", n_iter, precision="same" if work is A else "mixed")
    estimate(A, f, Ye, omega)
    f.converged = _change(s, before, algebra.eps) or _exact_rank(A, f)
    return f


def _by_the_core(A: Products, k: int, n_oversamples: int, n_iter: int) -> Factors:
    """The same, in C; the matrix as it is stored may be the adjoint."""
    algebra, of = A.algebra, A.stored
    assert of is not None
    binding, key = dispatch.backend("numpy").svd, (algebra.stream.key, algebra.stream.offset)
    options = (k, n_oversamples, n_iter, *key)
    try:
        if of.dense:
            U, s, Vh, found = binding.randomized_svd(of.A, *options)
        else:
            U, s, Vh, found = binding.randomized_svd_sparse(*of.triple(), *options)
    except binding.NotFinite:
        raise NotFiniteError from None
    except binding.Overflow:
        raise OverflowError from None
    V = algebra.adjoint(Vh)
    U, V = (U, V) if of.shape == A.shape else (V, U)
    errors, fallbacks, passes, converged = found
    f = Factors(U, s * s.dtype.type(A.scale), V, "subspace", n_iter, signed=True)
    A.passes += passes
    algebra.fallbacks += fallbacks
    from_norms(A, f, np.sqrt(errors) * A.scale)
    f.converged = converged or _exact_rank(A, f)
    return f


def stack(A: np.ndarray, k: int, n_oversamples: int, n_iter: int, algebra: Algebra) -> Any:
    """The same for a contiguous stack of matrices at once: U, s, Vh and what `SVDInfo` holds.

    None where a matrix is to be scaled, is zero or is not finite: those are for one at a time.
    """
    binding, key = dispatch.backend("numpy").svd, (algebra.stream.key, algebra.stream.offset)
    norm2 = binding.squares(A.reshape(len(A), -1))
    low, high, _ = RANGES[algebra.char.lower()]
    if not ((low**2 < norm2) & (norm2 < high**2)).all():
        return None
    try:
        U, s, Vh, found = binding.randomized_svd(A, k, n_oversamples, n_iter, *key)
    except (binding.NotFinite, binding.Overflow):
        return None
    squares, fallbacks, passes, converged = found
    norm = np.sqrt(norm2)
    error, bound = errors(np.sqrt(squares), s, norm2, norm, algebra.eps)
    converged = converged | (error <= 100 * algebra.eps * norm)
    info = (passes, error, bound, converged, fallbacks)
    return U, s, Vh, info


_WIDE_STEPS = 4  # of blocks that miss no values


def krylov_shape(k: int, n_oversamples: int, p: int, n_iter: int | None) -> tuple[int, int]:
    """Width of a block, and steps after the first.

    Few columns and many blocks give the most accuracy for a number of products: a quarter of k, and
    14 blocks; at least 8 columns, since a product with few of them costs as much.
    """
    if n_iter is None:
        width = min(max(8, -(-(k + n_oversamples) // 4)), p)
        return width, min(13, p // width - 1) if width * 14 > p else 13
    width = min(max(8, -(-(k + n_oversamples) // (n_iter + 1))), p)
    return width, n_iter


def krylov(A: Products, k: int, width: int, steps: int, wide: int | None = None) -> Factors:
    """Block Krylov iteration (Musco, Musco, arXiv:1504.05477), with blocks made orthogonal at once.

    B^H has the blocks A^H Q_j, which the next step needs too: as many passes as for subspaces.
    Blocks see no more equal values than they have columns.  Where some were missed, or values still
    change, the iteration is repeated with blocks of `wide` columns, if that is given.
    """
    algebra = A.algebra
    omega = algebra.probes(A.shape[1])
    Z, Ye, Q = algebra.gaussian(A.shape[1], 0, width), None, None
    blocks = []
    for step in range(steps + 1):
        last = step == steps
        Ys = A.matmat(algebra.beside([Z, omega]) if last else Z)
        Y, Ye = Ys[:, :width], Ys[:, width:]
        Qi = algebra.extend(Q, Y)
        Q = algebra.beside([Q, Qi])
        blocks.append(A.rmatmat(Qi))
        if not last:
            Z, _ = algebra.normalise(blocks[-1])
    U, s, V, R, _ = decompose(algebra, Q, algebra.beside(blocks), k)
    f = Factors(U, s, V, "krylov", steps)
    estimate(A, f, Ye, omega)
    inner = R.shape[0] - width
    before = np.linalg.svd(R[:inner, :inner], compute_uv=False) if inner >= k else None
    f.converged = _change(s, before, algebra.eps) or _exact_rank(A, f)
    if width < k and f.converged and _missed(A, f, Ye, omega):
        f.converged = False
    if width < k and not f.converged and wide is not None:
        more = min(_WIDE_STEPS, A.shape[1] // wide - 1)
        if more > 0:  # values are never too large
            f = max(f, krylov(A, k, wide, more), key=lambda found: float(np.linalg.norm(found.s)))
    return f


def _missed(A: Products, f: Factors, Ye: Any, omega: Any) -> bool:
    """Whether what is left of A has a value that should be among those found.

    The probes know nothing of the blocks: with them, two steps of a power iteration bound the norm
    of A - U S V^H from below, so that a sound result is never refused.
    """
    algebra = A.algebra
    limit = 1.01 * float(f.s[-1]) + 100 * algebra.eps * float(f.s[0])
    left, right, X, Y = f.U, f.V, omega, Ye
    for times in (A.rmatmat, A.matmat):
        E = Y - algebra.scaled_columns(left, f.s) @ (algebra.adjoint(right) @ X)
        X, R = algebra.normalise(E)
        if Y is not Ye and float(np.linalg.norm(R, 2)) > limit:
            return True
        if not float(np.linalg.norm(R, 2)) > 100 * algebra.eps * float(f.s[0]):
            return False
        Y, left, right = times(X), right, left
    E = Y - algebra.scaled_columns(left, f.s) @ (algebra.adjoint(right) @ X)
    return float(np.linalg.norm(algebra.normalise(E)[1], 2)) > limit


def gram(A: Products, k: int) -> Factors | None:
    """From the eigenvectors of A^H A, in one pass and a narrow one; None where it is too coarse.

    Errors of eigenvalues are of the size of eps s_1^2, so that values below sqrt(eps) s_1 are lost.
    The narrow pass makes U orthonormal, and values as accurate as those of A V: V is off by
    c eps s_1^2 / s_k^2, c = 3 or so, and a value by the square of that: by 1e-7 at the limit here
    in double precision, by 1e-5 in single.  Beyond it errors grow as (s_1 / s_k)^4.
    """
    algebra = A.algebra
    G = A.gram()
    if G is None:
        return None
    if not np.isfinite(G).all():
        raise np.linalg.LinAlgError("A has a NaN or an infinity")
    w, X = np.linalg.eigh(G)
    w, X = w[::-1][:k], X[:, ::-1][:, :k]
    if not w[-1] > (1e4 if algebra.char in "dD" else 1e3) * algebra.eps * w[0]:
        return None
    V = algebra.from_host(X)
    omega = algebra.probes(A.shape[1])
    Ys = A.matmat(algebra.beside([V, omega]))
    Q, R = algebra.orthonormalise(Ys[:, :k])
    W, s, Zh = np.linalg.svd(R)
    f = Factors(Q @ algebra.from_host(W), s, V @ algebra.from_host(Zh.conj().T), "gram")
    estimate(A, f, Ys[:, k:], omega)
    return f


def exact(
    A: Products, k: int | None, rtol: float | None = None, most: int | None = None
) -> Factors:
    """LAPACK's, of the dense matrix; k triplets, or as many as `rtol` asks for."""
    algebra = A.algebra
    entries = A.entries()
    if not bool(algebra.xp.all(algebra.xp.isfinite(entries))):
        raise np.linalg.LinAlgError("A has a NaN or an infinity")
    U, s, Vh = algebra.xp.linalg.svd(entries, full_matrices=False)
    s = dispatch.to_numpy(s)
    converged = True
    if k is None:
        assert rtol is not None
        k, converged = rank_for(s, 0.0, float((s.astype(np.float64) ** 2).sum()), rtol, most)
    U, V = U[:, :k], algebra.adjoint(Vh[:k, :])
    f = Factors(U, s[:k], V, "exact", converged=converged)
    exact_errors(f, s, k, algebra.eps)
    return f


def exact_errors(f: Factors, s: np.ndarray, k: int, eps: float) -> None:
    """Errors of a truncated decomposition, all of whose singular values are known."""
    wide = s.astype(np.float64)
    floor = eps * float(np.linalg.norm(wide))
    f.error_fro = max(float(np.linalg.norm(wide[k:])), 30 * floor)
    f.error_2_bound = max(float(wide[k]) if k < len(wide) else 0.0, floor)


def rank_for(
    s: np.ndarray, rest2: float, norm2: float, rtol: float, most: int | None
) -> tuple[int, bool]:
    """The least rank whose error is at most rtol times the norm, and whether `most` allows it.

    `rest2` is the squared error of all of `s` together.
    """
    squares = s.astype(np.float64) ** 2
    tails = np.concatenate([np.cumsum(squares[::-1])[::-1], [0.0]]) + rest2
    fits = np.flatnonzero(tails <= rtol**2 * norm2)
    wanted = int(fits[0]) if len(fits) else len(s)
    rank = max(1, wanted if most is None else min(wanted, most))
    return min(rank, len(s)), bool(tails[min(rank, len(s))] <= rtol**2 * norm2)


def zero(A: Products, k: int) -> Factors:
    """Of A = 0: some orthonormal columns."""
    m, n = A.shape
    algebra = A.algebra
    U, V = (algebra.from_host(np.eye(length, k)) for length in (m, n))
    return Factors(U, np.zeros(k, algebra.char.lower()), V, "exact")
