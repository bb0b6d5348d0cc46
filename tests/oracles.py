"""Slow trusted answers, and how far from them something is.

The exponential comes from Arb (python-flint): a ball that certainly holds it, at a precision that
is raised until the ball is small.  It is returned as two doubles, hi + lo, so that a difference
from it is exact to far below one rounding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import flint
import ml_dtypes
import numpy as np
import scipy.linalg

REAL = ("f", "d")
ALL = ("f", "d", "F", "D")


def unit(dtype) -> float:
    """The unit roundoff u = eps / 2 of a dtype."""
    return float(np.finfo(dtype).eps) / 2


def tol(dtype, scale: float) -> float:
    """A tolerance: scale * eps; the caller says why that scale."""
    return scale * float(np.finfo(dtype).eps)


def supported_isa_levels() -> list[str]:
    """Levels that are compiled in and that this processor has, best first."""
    from randla._cpu import core

    levels = []
    for level in core.isa_levels():
        try:
            core.set_isa(level)
        except ValueError:
            continue
        levels.append(level)
    core.set_isa("auto")
    return levels


def unaligned(x):
    """The same array one byte off: NumPy calls it contiguous, C may not load from it."""
    x = np.asarray(x)
    shifted = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    shifted[...] = x
    return shifted


# ---- the exponential -----------------------------------------------------------------------------


def _balls(A: np.ndarray, conserved: str | None):
    n = A.shape[0]
    if np.iscomplexobj(A):
        return flint.acb_mat(n, n, [flint.acb(complex(x)) for x in A.ravel()])
    balls = flint.arb_mat(n, n, [flint.arb(float(x)) for x in A.ravel()])
    for i in range(n) if conserved else ():
        others = [j for j in range(n) if j != i]
        pairs = [(i, j) if conserved == "rows" else (j, i) for j in others]
        balls[i, i] = -sum((balls[pair] for pair in pairs), flint.arb(0))
    return balls


def _two_doubles(x) -> tuple[float, float]:
    x = x.mid()
    hi = float(x)
    return hi, float(x - flint.arb(hi)) if np.isfinite(hi) else 0.0


def _log2(x) -> float:
    """log2 of a ball of positive midpoint, of any size; -inf for 0."""
    x = x.mid()
    if x == 0:
        return -np.inf
    mantissa, exponent = abs(x).man_exp()
    return int(mantissa).bit_length() + int(exponent)


def exp_oracle(
    A: np.ndarray, entrywise: bool = False, conserved: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """exp(A) = hi + lo for one matrix; in norm to 2^-75, or each entry to 2^-75 of itself.

    Entries below 1e-310 are not asked for: they are no normal doubles.  conserved: "rows" or
    "columns" of A are meant to sum to 0; the diagonal of doubles cannot say so exactly, and a
    rounding of it at norm 1e6 would move the result by 1e-10, so minus the exact sum is taken.
    """
    A = np.asarray(A, dtype=np.complex128 if np.iscomplexobj(A) else np.float64)
    n = A.shape[0]
    parts = (lambda z: (z.real, z.imag)) if np.iscomplexobj(A) else (lambda z: (z,))
    precision = 128
    saved = flint.ctx.prec
    try:
        while True:
            flint.ctx.prec = precision
            entries = [parts(x) for x in _balls(A, conserved).exp().entries()]
            flat = [x for entry in entries for x in entry]
            if all(x.is_finite() for x in flat):
                size = max(_log2(x) for x in flat)
                if entrywise:
                    good = all(
                        _log2(x.rad()) <= max(_log2(x), -1030) - 75 for x in flat if x.rad() != 0
                    )
                else:
                    good = max(_log2(x.rad()) for x in flat) <= size - 75
                if good:
                    break
            precision *= 2
            assert precision < 2**20, "the oracle does not converge"
        pairs = [[_two_doubles(x) for x in entry] for entry in entries]
    finally:
        flint.ctx.prec = saved
    pairs = np.array(pairs).reshape(n, n, -1, 2)
    both = pairs[..., 0, :] + (1j * pairs[..., 1, :] if pairs.shape[2] == 2 else 0)
    return np.ascontiguousarray(both[..., 0]), np.ascontiguousarray(both[..., 1])


def exp_pair(A: np.ndarray, E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """exp(A), and its derivative in the direction E, as doubles: the quick oracle.

    Scaling to norm 1/2, Taylor to degree 20 and squaring in numbers of 64 bits, which leaves 2^-64
    times a few norms of A.  Where long doubles have no more than 53 bits, Arb's exponential of
    [[A, E / |E|], [0, A]] takes its time.
    """
    if np.finfo(np.longdouble).nmant < 63:
        size = np.abs(E).max() or 1.0
        hi, _ = exp_oracle(np.block([[A, E / size], [np.zeros_like(A), A]]))
        n = len(A)
        return hi[:n, :n], hi[:n, n:] * size
    wide = np.clongdouble if np.iscomplexobj(A) or np.iscomplexobj(E) else np.longdouble
    norm = float(np.abs(A).sum(axis=0).max(initial=0))
    s = max(0, int(np.ceil(np.log2(2 * norm)))) if norm > 0 else 0
    scaled = [X.astype(wide) * np.longdouble(2.0) ** -s for X in (A, E)]

    def times(X, Y):
        return [X[0] @ Y[0], X[1] @ Y[0] + X[0] @ Y[1]]

    powers = [[np.eye(len(A), dtype=wide), np.zeros_like(scaled[1])], scaled]
    while len(powers) <= 5:
        powers.append(times(powers[-1], scaled))
    inverse = 1 / np.cumprod(np.r_[1, np.arange(1, 21)].astype(np.longdouble))
    R = [sum(inverse[15 + i] * powers[i][d] for i in range(6)) for d in (0, 1)]
    for begin in (10, 5, 0):
        R = times(R, powers[5])
        R = [R[d] + sum(inverse[begin + i] * powers[i][d] for i in range(5)) for d in (0, 1)]
    for _ in range(s):
        R = times(R, R)
    double = np.complex128 if wide is np.clongdouble else np.float64
    return R[0].astype(double), R[1].astype(double)


def phi_oracle(A: np.ndarray, k: int) -> np.ndarray:
    """phi_k(A) from its series in balls so narrow that its cancellation does not matter."""
    A = np.asarray(A, dtype=np.complex128 if np.iscomplexobj(A) else np.float64)
    n, norm = A.shape[0], float(np.abs(A).sum(axis=0).max())
    saved = flint.ctx.prec
    try:
        flint.ctx.prec = 160 + int(4 * norm)  # terms of e^norm, a result of e^-norm
        X = _balls(A, None)
        term = type(X)(n, n, [int(i == j) for i in range(n) for j in range(n)])
        term *= 1 / flint.arb(math.factorial(k))
        total, i, bound = term, 0, 1.0
        while i < 2 * norm or bound > 2.0**-100:
            i += 1
            term = term * X * (1 / flint.arb(i + k))
            total += term
            bound = max(float(abs(x)) for x in term.entries()) * math.exp(min(norm, 700))
        parts = [(x.real, x.imag) if np.iscomplexobj(A) else (x,) for x in total.entries()]
        values = np.array([[float(x.mid()) for x in pair] for pair in parts]).reshape(n, n, -1)
    finally:
        flint.ctx.prec = saved
    return values[..., 0] + (1j * values[..., 1] if values.shape[-1] == 2 else 0)


def relative_error(E: np.ndarray, hi: np.ndarray, lo: np.ndarray | float = 0.0) -> float:
    """||E - (hi + lo)||_1 / ||hi||_1; inf where E is not finite."""
    E = np.asarray(E).astype(hi.dtype)
    if not np.isfinite(E).all():
        return np.inf
    scale = np.abs(hi).max()
    difference = ((E - hi) - lo) / scale
    return float(np.abs(difference).sum(axis=0).max() / (np.abs(hi) / scale).sum(axis=0).max())


def error_in_units(E: np.ndarray, A: np.ndarray) -> float:
    """Relative 1-norm error of E against exp(A), in units of u of E's dtype."""
    E = np.asarray(E)
    return relative_error(E, *exp_oracle(np.asarray(A))) / unit(E.dtype)


# ---- the gallery ---------------------------------------------------------------------------------

#: Small matrices that the literature on expm made known.
FAMOUS = {
    "ward-1": [[4.0, 2.0, 0.0], [1.0, 4.0, 1.0], [1.0, 1.0, 4.0]],
    "ward-2": [
        [29.87942128909879, 0.7815750847907159, -2.289519314033932],
        [0.7815750847907159, 25.72656945571064, 8.680737820540137],
        [-2.289519314033932, 8.680737820540137, 34.39400925519054],
    ],
    "ward-3": [[-131.0, 19.0, 18.0], [-390.0, 56.0, 54.0], [-387.0, 57.0, 52.0]],
    "moler-van loan": [[-49.0, 24.0], [-64.0, 31.0]],
    "dahlquist": [[1.0, 1e6], [0.0, -1.0]],
    "kenney-laub": [[0.0, 1e6], [0.0, -1e-3]],
    "davies-higham": [[0.25, 0.25], [0.0, 0.0]],
    "najfeld-havel": [[0.0, 1e4], [-1e-4, 0.0]],
    "nilpotent chain": np.diag([6.0, 6.0, 6.0], 1).tolist(),
    "half turn": [[0.0, np.pi], [-np.pi, 0.0]],
    "tiny": [[1e-8, 2e-8], [3e-8, -1e-8]],
    "jordan": [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]],
}

SIZES = (2, 3, 4, 8, 16, 32, 64)
NORMS = (1e-8, 1e-4, 1e-2, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0, 1000.0)
NORMS_LARGE = (1e-8, 1e-2, 0.1, 1.0, 2.0, 10.0, 100.0, 1000.0)  # n > 16


def _chebyshev(n: int) -> np.ndarray:
    """Spectral differentiation on n + 1 Chebyshev points, one end removed: nearly nilpotent."""
    x = np.cos(np.pi * np.arange(n + 1) / n)
    c = np.where((np.arange(n + 1) == 0) | (np.arange(n + 1) == n), 2.0, 1.0)
    c *= (-1.0) ** np.arange(n + 1)
    D = np.outer(c, 1 / c) / (x[:, None] - x[None, :] + np.eye(n + 1))
    return (D - np.diag(D.sum(axis=1)))[1:, 1:]


def birth_death(n: int) -> np.ndarray:
    """Generator of a Markov chain that moves by single steps."""
    return generator(np.diag(np.ones(n - 1), 1) + np.diag(np.full(n - 1, 0.5), -1))


def generator(rates: np.ndarray) -> np.ndarray:
    """Rates >= 0 with the diagonal that makes rows sum to 0."""
    rates = rates * (1 - np.eye(len(rates)))
    return rates - np.diag(rates.sum(axis=1))


def gallery(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Matrices of one size, of many kinds, of any norm."""
    i = np.arange(1, n + 1)
    row, col = i[:, None], i[None, :]
    normal = rng.standard_normal
    half = n // 2
    base = normal((n, n))
    U, _, V = np.linalg.svd(normal((n, n)))
    similar = U * np.logspace(0, 1, n) @ V  # of condition 10: else exp's own would be 1e4
    kinds = {
        "normal entries": normal((n, n)),
        "positive entries": rng.random((n, n)),
        "symmetric": base + base.T,
        "skew": base - base.T,
        "negative definite": -base @ base.T,
        "upper triangular": np.triu(normal((n, n))),
        "nilpotent": np.triu(normal((n, n)), 1),
        "square zero": np.kron(np.eye(half + 1), [[0.0, 1.0], [0.0, 0.0]])[:n, :n],
        "jordan block": np.diag(np.full(n, -0.5)) + np.eye(n, k=1),
        "signs": np.where((rng.random((n, n)) < 0.5), -1.0, 1.0),
        "hilbert": 1.0 / (row + col - 1),
        "lehmer": np.minimum(row, col) / np.maximum(row, col),
        "minij": np.minimum(row, col).astype(float),
        "grcar": np.triu(np.tril(np.ones((n, n)), 3)) - np.eye(n, k=-1),
        "frank": np.where(col >= row - 1, n + 1.0 - np.maximum(row, col), 0.0),
        "kahan": np.sin(1.2) ** (row - 1) * (np.eye(n) - np.cos(1.2) * np.triu(np.ones((n, n)), 1)),
        "companion": scipy.linalg.companion(np.r_[1.0, normal(n) / i]),
        "toeplitz": scipy.linalg.toeplitz(normal(n), normal(n)),
        "lesp": np.diag(-2.0 * i - 3) + np.diag(1.0 / i[1:], -1) + np.diag(i[1:] * 1.0, 1),
        "clement": np.diag(i[:-1] * 1.0, -1) + np.diag(i[:-1][::-1] * 1.0, 1),
        "laplacian": -2 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1),
        "orthogonal": np.linalg.qr(normal((n, n)))[0],
        "markov": generator(rng.random((n, n))),
        "pascal": scipy.linalg.pascal(n).astype(float) if n <= 10 else np.diag(i[:-1] * 1.0, -1),
        "stiff": np.linalg.solve(similar, -np.logspace(-3, 1, n)[:, None] * similar),
        "non-normal": 0.1 * np.eye(n) + 10 * np.triu(normal((n, n)), 1),
        "overscaling": np.triu(np.ones((n, n)), 1) - 0.01 * np.eye(n) + 1e3 * np.eye(n, k=n - 1),
        "gear": np.eye(n, k=1) + np.eye(n, k=-1) + np.eye(n, k=n - 1) - np.eye(n, k=1 - n),
        "rank one": np.outer(normal(n), normal(n)),
        "cauchy": 1.0 / (row + col),
        "chebyshev": _chebyshev(n),
    }
    block = np.diag(np.where(i <= half, 0.3, -0.2))
    block[:half, half:] = 1e4 * normal((half, n - half))
    kinds["overscaling blocks"] = block
    return kinds


def gallery_cases() -> Iterator[tuple[str, np.ndarray]]:
    """Name and matrix of every case: each kind, size and norm; then the famous ones."""
    rng = np.random.default_rng(20240607)
    for name, A in FAMOUS.items():
        yield name, np.array(A)
    for n in SIZES:
        for kind, A in gallery(n, rng).items():
            size = np.abs(A).sum(axis=0).max()
            for norm in NORMS if n <= 16 else NORMS_LARGE:
                if size > 0:
                    yield f"{kind}, n={n}, norm {norm:g}", A * (norm / size)


@functools.cache
def random_matrices(char: str, n: int, count: int, norm: float = 1.0, seed: int = 0) -> np.ndarray:
    """A read-only batch of random matrices, of 1-norms near `norm`."""
    rng = np.random.default_rng([seed, n, count, ord(char)])
    A = rng.standard_normal((count, n, n))
    if char in "FD":
        A = A + 1j * rng.standard_normal((count, n, n))
    A *= norm * rng.uniform(0.5, 2, (count, 1, 1)) / max(1, np.sqrt(n))
    A = A.astype(char) / np.asarray(np.sqrt(n) or 1, dtype=char.lower())
    A.flags.writeable = False
    return A


# ---- selection ---------------------------------------------------------------------------------


def topk_oracle(row, k, largest=True, nan="greatest"):
    """Indices of the k best of one row, best first: a stable sort by what the order means."""
    row = np.asarray(row)
    if row.dtype.kind in "biu":  # exact in Python's integers, which have no largest one
        keys = [int(v) for v in row]
    else:
        lowest, highest = (-2, 0.0), (2, 0.0)
        missing = highest if nan == "greatest" else lowest
        keys = [missing if v != v else (0, v) for v in row.astype(np.float64).tolist()]
    order = sorted(range(len(row)), key=keys.__getitem__, reverse=largest)  # stable both ways
    return np.array(order[:k], dtype=np.int64)


def topk_sample(dtype, n, rng, kind="random"):
    """Numbers of every size that the dtype has, with ties and zeros of both signs."""
    if dtype.kind == "b":
        return rng.random(n) < 0.4
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if kind == "few":
            return rng.integers(max(info.min, -2), 3, n).astype(dtype)
        return rng.integers(info.min, info.max, n, dtype=dtype, endpoint=True)
    x = {
        "random": lambda: rng.standard_normal(n),
        "few": lambda: rng.integers(-2, 3, n) * np.where(rng.random(n) < 0.5, 1.0, -1.0),
        "special": lambda: rng.choice([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], n),
        "subnormal": lambda: rng.standard_normal(n) * float(ml_dtypes.finfo(dtype).smallest_normal),
        "sorted": lambda: np.sort(rng.standard_normal(n)),
        "reversed": lambda: np.sort(rng.standard_normal(n))[::-1],
        "constant": lambda: np.full(n, 0.5),
        "cauchy": lambda: np.clip(rng.standard_cauchy(n), -6e4, 6e4),
    }[kind]()
    return x.astype(dtype)


# ---- soft ranks and soft top-k -------------------------------------------------------------------


def _sigmoid(z):
    e = np.exp(-abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def soft_rank_pairs(x, g, t):
    """Ranks, and the gradients of <g, ranks> by x and t, by all pairs in float64."""
    x, g = x.astype(float), g.astype(float)
    with np.errstate(over="ignore"):
        z = (x[None, :] - x[:, None]) / t
    e = np.exp(-abs(z))
    terms = e / (1 + e) ** 2 * (g[None] - g[:, None])
    near = np.where(e > 0, z, 0)
    return 0.5 + _sigmoid(z).sum(1), terms.sum(1) / t, 0.5 * (terms * near).sum() / t


def soft_topk_bisected(x, k, kind, t, gate=0.1):
    """Weights in float64, thresholds by bisection."""
    x = x.astype(float)

    def law(z):
        tail = np.exp(-abs(z)) / 2
        return np.where(z < 0, tail, 1 - tail) if kind == "laplace" else _sigmoid(z)

    if kind == "shiva":
        return _sigmoid((k - soft_rank_pairs(x, x, t)[0]) / (gate * len(x)))
    if kind == "threshold":
        order = np.sort(x)[::-1]
        return _sigmoid((x - (order[int(k) - 1] + order[int(k)]) / 2) / t)
    low, high = x.min() - 80 * t, x.max() + 80 * t
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (middle, high) if law((x - middle) / t).sum() > k else (low, middle)
    return law((x - low) / t)
