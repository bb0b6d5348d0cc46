"""The singular value decomposition for a relative error: the rank is found on the way."""

from __future__ import annotations

import math
from typing import Any

from ._svd_fixed import Factors, decompose, estimate, exact, rank_for
from ._svd_products import Products


def adaptive(
    A: Products, rtol: float, max_rank: int | None, n_oversamples: int, n_iter: int
) -> Factors:
    """randQB_EI (Yu, Gu, Li, SIAM J. Matrix Anal. Appl. 39 (2018), 1339-1359), in blocks.

    The squared error of Q B is ||A||_F^2 - ||B||_F^2, which rounding hides below 10 sqrt(eps) of
    the norm; from there on, and where the norm of A is not known, Gaussian probes tell the error.
    Basis and factors have more columns than the result, whose rank the singular values of B give.
    """
    algebra, (m, n) = A.algebra, A.shape
    p = min(m, n)
    limit = p if max_rank is None else min(max_rank + n_oversamples, p)
    block = min(64, max(16, p // 32))
    omega = algebra.probes(n)
    Ye = A.matmat(omega)
    by_norms = A.norm2 is not None and rtol > 10 * math.sqrt(algebra.eps)
    norm2 = A.norm2
    if norm2 is None:
        norm2 = float((algebra.column_norms(Ye) ** 2).mean())
    Q: Any = None
    BH: Any = None
    found2, drawn, rest2, residual = 0.0, 0, norm2, Ye
    while rest2 > (rtol**2 * norm2 if by_norms else (0.9 * rtol) ** 2 * norm2):
        rank = 0 if Q is None else Q.shape[1]
        if rank >= limit:
            break
        if A.dense and max_rank is None and 2 * rank >= p:
            return exact(A, None, rtol)
        width = min(block, limit - rank)
        Qi = _basis(A, Q, BH, algebra.gaussian(n, drawn, width), n_iter)
        drawn += width
        Bi = A.rmatmat(Qi)
        found2 += float((algebra.column_norms(Bi) ** 2).sum())
        residual = residual - Qi @ (algebra.adjoint(Bi) @ omega)
        Q, BH = algebra.beside([Q, Qi]), algebra.beside([BH, Bi])
        by_probes = float((algebra.column_norms(residual) ** 2).mean())
        if A.norm2 is None:  # a better estimate than the probes' alone
            norm2 = found2 + by_probes
        rest2 = max(norm2 - found2, 0.0) if by_norms else by_probes
    U, s, V, *_ = decompose(algebra, Q, BH)
    rank, converged = rank_for(s, rest2, norm2, rtol, max_rank)
    f = Factors(U[:, :rank], s[:rank], V[:, :rank], "adaptive", n_iter, converged=converged)
    estimate(A, f, Ye, omega)
    return f


def _basis(A: Products, Q: Any, BH: Any, X: Any, n_iter: int) -> Any:
    """Orthonormal columns beside Q that span what A - Q B makes of X, after some iterations."""
    algebra = A.algebra
    for step in range(n_iter + 1):
        Y = A.matmat(X)
        if Q is not None:
            Y = Y - Q @ (algebra.adjoint(BH) @ X)
        if step == n_iter:
            return algebra.extend(Q, Y)
        Y, _ = algebra.normalise(Y)
        Z = A.rmatmat(Y)
        if Q is not None:
            Z = Z - BH @ (algebra.adjoint(Q) @ Y)
        X, _ = algebra.normalise(Z)
    raise AssertionError  # the loop returns
