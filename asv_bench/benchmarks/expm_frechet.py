"""Benchmarks of expm_frechet: times, the price over expm alone, the ratio to SciPy."""

import numpy as np

import randla

from ._common import speed
from .expm import matrices

CASES = [
    "4096x4 float32",
    "16384x6 float32",
    "1024x8 float64",
    "4096x12 float32",
    "1024x24 float64",
    "256x32 float64",
    "64x64 float64",
    "1x256 float64",
]


def pair(case):
    """Matrices of norm 1, and directions."""
    shape, dtype = case.split()
    batch, n = (int(part) for part in shape.split("x"))
    return matrices(batch, n, dtype), matrices(batch, n, dtype)[::-1].copy()


class Frechet:
    """Batches, and one larger matrix."""

    params = (CASES,)
    param_names = ("case",)
    timeout = 600

    def setup(self, case):
        """Draw the input."""
        self.a, self.e = pair(case)

    def time_frechet(self, case):
        """Time value and derivative."""
        randla.expm_frechet(self.a, self.e)

    def track_price(self, case):
        """Give its time over that of expm alone: three by the count of products."""
        return speed(lambda: randla.expm_frechet(self.a, self.e), lambda: randla.expm(self.a))

    def track_ratio_scipy(self, case):
        """Compare with scipy.linalg.expm_frechet, one matrix after the other."""
        from scipy.linalg import expm_frechet

        some = max(1, len(self.a) // 16)  # SciPy takes its time

        def scipy():
            for a, e in zip(self.a[:some], self.e[:some], strict=True):
                expm_frechet(a, e)

        return speed(scipy, lambda: randla.expm_frechet(self.a[:some], self.e[:some]))

    track_price.unit = "x the time of expm"
    track_ratio_scipy.unit = "x SciPy's speed"


class Accuracy:
    """Worst relative error over sizes of the direction, in roundings."""

    params = (["float32", "float64"], [1e-6, 1.0, 1e6])
    param_names = ("dtype", "size")

    def track_error(self, dtype, size):
        """Compare with SciPy's in a wider type, or on a block matrix of higher precision."""
        from ._common import exact_expm

        unit = float(np.finfo(dtype).eps) / 2
        worst = 0.0
        for n in (4, 8, 16):
            a, e = matrices(1, n, dtype)[0], matrices(2, n, dtype)[1] * np.dtype(dtype).type(size)
            block = np.block([[a, e / size], [np.zeros_like(a), a]]).astype(np.float64)
            exact = np.asarray(exact_expm(block), dtype=np.float64)[:n, n:] * size
            off = np.linalg.norm(randla.expm_frechet(a, e).frechet - exact)
            worst = max(worst, off / np.linalg.norm(exact) / unit)
        return worst

    track_error.unit = "roundings"
