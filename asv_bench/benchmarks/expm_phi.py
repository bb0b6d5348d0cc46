"""Benchmarks of phi: times, the ratio to the exponential of a block matrix, errors."""

import numpy as np

import randla

from ._common import exact_error, exact_expm, speed
from .expm import matrices

CASES = ["1024x8 float64", "256x32 float64", "64x64 float32", "1x256 float64"]


def block(a, k):
    """A matrix whose exponential has phi_k(a) in its upper right corner."""
    n = a.shape[-1]
    w = np.zeros((*a.shape[:-2], n * (k + 1), n * (k + 1)), a.dtype)
    w[..., :n, :n] = a
    for j in range(k):
        w[..., n * j : n * (j + 1), n * (j + 1) : n * (j + 2)] = np.eye(n)
    return w


class Batches:
    """Batches, and one larger matrix, of norm 4: a doubling or two."""

    params = (CASES, [1, 3])
    param_names = ("case", "k")
    timeout = 600

    def setup(self, case, k):
        """Draw the input."""
        shape, dtype = case.split()
        batch, n = (int(part) for part in shape.split("x"))
        self.a = matrices(batch, n, dtype, 4.0)

    def time_phi(self, case, k):
        """Time phi_k."""
        randla.phi(self.a, k)

    def track_ratio_scipy(self, case, k):
        """Compare with SciPy's exponential of the block matrix, which is what SciPy has."""
        import scipy.linalg

        some = self.a[: max(1, len(self.a) // 32)]
        return speed(lambda: scipy.linalg.expm(block(some, k)), lambda: randla.phi(some, k))

    def track_price(self, case, k):
        """Give its time over that of expm."""
        return speed(lambda: randla.phi(self.a, k), lambda: randla.expm(self.a))

    track_ratio_scipy.unit = "x SciPy's speed"
    track_price.unit = "x the time of expm"


class Accuracy:
    """Worst relative error over sizes, in roundings."""

    params = (["float32", "float64"], [1, 3, 8])
    param_names = ("dtype", "k")

    def track_error(self, dtype, k):
        """Compare with exponentials of block matrices in wide integers."""
        unit, worst = float(np.finfo(dtype).eps) / 2, 0.0
        for n, norm in ((2, 0.1), (4, 1.0), (4, 10.0)):
            a = matrices(1, n, dtype, norm)[0]
            exact = exact_expm(block(a.astype(np.float64), k)).astype(np.float64)[:n, -n:]
            worst = max(worst, exact_error(randla.phi(a, k), exact, unit))
        return worst

    track_error.unit = "roundings"
