"""Linear sketching operators of every kind, and what they should be by their formulas."""

import math

import numpy as np

from randla._core.random import words
from randla._cpu import core
from randla.sketch import (
    SRHT,
    CountSketch,
    Gaussian,
    Rademacher,
    RowSampling,
    SparseSign,
)
from randla.sketch._srht import subset


def weighted(d, m, rng):
    p = np.arange(1.0, m + 1)
    return RowSampling(d, m, p=p / p.sum(), rng=rng)


MAKE = {
    "gaussian": lambda d, m, rng: Gaussian(d, m, rng=rng),
    "gaussian single": lambda d, m, rng: Gaussian(d, m, np.float32, rng=rng),
    "gaussian complex": lambda d, m, rng: Gaussian(d, m, complex=True, rng=rng),
    "rademacher": lambda d, m, rng: Rademacher(d, m, rng=rng),
    "sparse sign": lambda d, m, rng: SparseSign(d, m, rng=rng),
    "sparse sign 3": lambda d, m, rng: SparseSign(d, m, min(3, d), rng=rng),
    "count sketch": lambda d, m, rng: CountSketch(d, m, rng=rng),
    "srht": lambda d, m, rng: SRHT(d, m, rng=rng),
    "row sampling": lambda d, m, rng: RowSampling(d, m, rng=rng),
    "weighted sampling": weighted,
}
DENSE = [name for name in MAKE if name.startswith(("gaussian", "rademacher"))]
SPARSE = ["sparse sign", "sparse sign 3", "count sketch"]
SAMPLING = ["row sampling", "weighted sampling"]
REAL = [name for name in MAKE if name != "gaussian complex"]
OPEN = [*DENSE, *SPARSE]
EXACT = [*SPARSE, "srht", *SAMPLING]  # sums in one order, whatever else
SIZES = [(1, 1), (1, 7), (3, 4), (5, 9), (9, 9), (17, 40), (130, 131), (64, 300)]


def same_bits(x, y):
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()


def entries(S):
    """The whole operator, from its formula in NumPy."""
    d, m = S.d, S.m
    if isinstance(S, RowSampling):
        return sampled(S)
    if S.dtype.kind == "c":
        real, imaginary = S._parts()
        return (real._definition(0, m) + 1j * imaginary._definition(0, m)) / math.sqrt(2 * d)
    return S.scale * S._definition(0, m)


def sampled(S, p=None):
    """Row sampling from its definition, in integers of any length."""
    d, m = S.d, S.m
    kinds = core.kinds()
    A = np.zeros((d, m))
    if S._p is None:
        A[np.arange(d), subset(S.stream, kinds["ROW_SAMPLING"], 0, d, m)] = math.sqrt(m / d)
        return A
    q = [max(1, math.floor(x * 2**40)) if x > 0 else 0 for x in S._p]
    total = sum(q)
    w = words(S.stream, kinds["WEIGHTED_SAMPLING"], 0, 0, -(-d // 2)).ravel().astype(object)
    for k in range(d):
        place, i = (w[2 * k] + (w[2 * k + 1] << 32)) * total >> 64, 0
        while place >= q[i]:
            place -= q[i]
            i += 1
        A[k, i] = 1 / math.sqrt(d * q[i] / total)
    return A


def full(S):
    """Entries as products in double precision use them."""
    return S.toarray("D" if S.dtype.kind == "c" else "d")


def matrix(rows, n, char="d", seed=0):
    rng = np.random.default_rng([rows, n, seed])
    A = rng.standard_normal((rows, n))
    if char in "FD":
        A = A + 1j * rng.standard_normal((rows, n))
    return A.astype(char)


def close(x, y, char="d", steps=1):
    eps = np.finfo(np.dtype(char)).eps
    scale = np.abs(y).max(initial=0) + 1
    return x.shape == y.shape and np.abs(x - y).max(initial=0) <= 20 * steps * eps * scale
