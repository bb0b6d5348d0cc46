"""The largest singular value by block Krylov iteration, and a bound from above."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ._core import dispatch

if TYPE_CHECKING:
    from ._svd_trace import Counted

WIDTH = 4
FAILURE = 1e-6  # probability that the bound does not hold
_CHANGE, _ERROR = 1e-3, 1e-2  # of the value by the last block, and of the bound, at which it stops


def spectral(A: Counted, adjoint: bool, failure: float = FAILURE) -> tuple[float, float, bool]:
    """A value below norm(A, 2), one above it, and whether the first has converged.

    Iterates on M = A^H A (A A^H for `adjoint`), n x n, from random orthonormal columns Q_0.  If u
    is the eigenvector sought, norm(u^H Q_0)^2 >= x but for the probability `failure`; both bounds
    follow from that alone, which has nothing to do with the number of steps.
    """
    algebra, n = A.algebra, A.P.shape[0 if adjoint else 1]
    x = _quantile(n, algebra.complex, failure)
    value, above, converged = 0.0, math.inf, False
    Q: Any = None
    Ys: Any = None
    X = algebra.orthonormalise(algebra.gaussian(n, 0, WIDTH, "SVD_TRACE"))[0]
    T = np.zeros((0, 0))
    while True:
        Y = A.times(X, adjoint) if Q is not None else A.first(X, lambda _: WIDTH, adjoint)[1]
        Q, Ys = algebra.beside([Q, X]), algebra.beside([Ys, Y])
        T = _extended(T, _host(algebra.adjoint(Ys) @ Y))
        theta, before = float(np.linalg.eigvalsh(T)[-1]), value
        value = math.sqrt(max(theta, 0.0))
        if value == 0:
            return 0.0, 0.0, True
        steps = T.shape[0] // WIDTH - 1
        highest = math.cosh(math.asinh(math.sqrt((1 - x) / x)) / (2 * steps + 1))
        above = min(above, value * highest)
        converged = value - before <= _CHANGE * value
        if A.left < WIDTH:
            break
        Z = A.times(Y, not adjoint)
        rest = Z - Q @ (algebra.adjoint(Q) @ Z)
        S = _host(algebra.adjoint(rest) @ rest)
        more = _hidden(T, S, math.sqrt(x), highest**2 - 1, algebra.eps)
        above = min(above, value * math.sqrt(1 + more))
        converged = converged or above <= value * (1 + _CHANGE)
        if A.left < WIDTH or (converged and above <= value * (1 + _ERROR)):
            break
        X = algebra.extend(Q, rest)
    return value, max(above, value * (1 + 30 * algebra.eps)), converged


def _host(x: Any) -> np.ndarray:
    small = dispatch.to_numpy(x)
    return small.astype(np.result_type(small.dtype, np.float64))


def _extended(T: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The Hermitian matrix T with one block column more."""
    size, old = len(column), len(T)
    grown = np.zeros((size, size), column.dtype)
    grown[:old, :old] = T
    grown[:, old:] = column
    grown[old:, :old] = column[:old].conj().T
    corner = grown[old:, old:]
    grown[old:, old:] = (corner + corner.conj().T) / 2
    return grown


def _quantile(n: int, of_complex: bool, failure: float) -> float:
    """The x that the squared length of the projection of a unit vector on random ones exceeds.

    The distribution is Beta(p / 2, (n - p) / 2) for p real columns, Beta(p, n - p) for complex
    ones, and for an integer a (DLMF 8.17.5 and 8.17.21)
    I_x(a, b) = 1 - (1 - x)^b sum_j<a (b)_j / j! x^j.
    """
    a, b = (WIDTH, n - WIDTH) if of_complex else (WIDTH // 2, (n - WIDTH) / 2)
    low, high = -200.0, 0.0  # of the logarithm of x
    for _ in range(60):
        middle = (low + high) / 2
        x, term, total = math.exp(middle), 1.0, 1.0
        for j in range(1, a):
            term *= (b + j - 1) / j * x
            total += term
        below = -math.expm1(b * math.log1p(-x) + math.log(total)) < failure
        low, high = (middle, high) if below else (low, middle)
    return math.exp(low)


def _hidden(T: np.ndarray, S: np.ndarray, root: float, most: float, eps: float) -> float:
    """The largest t <= most for which (1 + t) theta may be an eigenvalue of M.

    M Q = Q T + F E^H, where E is the last block column of the identity, F what was left over, and
    S = F^H F.  An eigenvector u for the eigenvalue z then has u^H Q (z - T) = u^H F E^H, so that
    its first block, of norm `root` or more, has norm(S^(1/2) E^H (z - T)^-1 E_0) or less: which
    falls as z grows beyond theta, the largest eigenvalue of T.
    """
    theta, V = np.linalg.eigh(T)
    first, last = V[:WIDTH].conj().T, V[-WIDTH:]
    t = most * np.logspace(-16, 0, 400)
    distance = (theta[-1] - theta) + theta[-1] * t[:, None]
    with np.errstate(all="ignore"):
        G = (last / distance[:, None, :]) @ first
        seen = np.sqrt(np.linalg.norm(G.conj().swapaxes(-1, -2) @ S @ G, 2, axis=(-2, -1)))
        seen += 10 * eps / t  # rounding of T
    hidden = np.flatnonzero(~(seen < root))
    return float(t[min(hidden[-1] + 1, len(t) - 1)]) if len(hidden) else float(t[0])
