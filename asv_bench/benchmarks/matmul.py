"""Benchmarks of matmul: times, memory, the ratio to NumPy's product, and errors."""

import numpy as np

import randla

from ._common import speed

SHAPES = ["256", "1023", "2048", "3000x64x3000", "64x3000x64"]
LARGE = ["2048", "4096"]
DTYPES = ["float32", "float64"]


def pair(shape, dtype):
    """Operands from a word such as "3000x64x3000"; the same ones at every call."""
    sizes = [int(size) for size in shape.split("x")]
    m, k, n = sizes * 3 if len(sizes) == 1 else sizes
    rng = np.random.default_rng([m, k, n])
    return tuple((rng.random(size) - 0.5).astype(dtype) for size in ((m, k), (k, n)))


class Product:
    """What `auto` makes of any shape."""

    params = (SHAPES, DTYPES)
    param_names = ("shape", "dtype")

    def setup(self, shape, dtype):
        """Draw the operands."""
        self.a, self.b = pair(shape, dtype)
        self.out = randla.matmul(self.a, self.b)

    def time_auto(self, shape, dtype):
        """As it is called."""
        randla.matmul(self.a, self.b, out=self.out)

    def track_speed_over_numpy(self, shape, dtype):
        """NumPy's time over ours."""
        return speed(
            lambda: np.matmul(self.a, self.b, out=self.out),
            lambda: randla.matmul(self.a, self.b, out=self.out),
        )


class Schemes:
    """Named schemes."""

    params = ([scheme.name for scheme in randla.matmul_schemes()], LARGE[:1])
    param_names = ("scheme", "shape")

    def setup(self, scheme, shape):
        """Draw the operands."""
        self.a, self.b = pair(shape, "float32")
        self.out = randla.matmul(self.a, self.b)

    def time_one_level(self, scheme, shape):
        """One level."""
        randla.matmul(self.a, self.b, algorithm=scheme, out=self.out)

    def peakmem_one_level(self, scheme, shape):
        """With its workspace."""
        randla.matmul(self.a, self.b, algorithm=scheme, out=self.out)

    def track_error_over_numpy(self, scheme, shape):
        """Frobenius norm of the error over that of NumPy's product."""
        a, b = self.a[:600, :600], self.b[:600, :600]
        exact = a.astype(np.float64) @ b
        mine = randla.matmul(a, b, algorithm=scheme)
        return float(np.linalg.norm(mine - exact) / np.linalg.norm(a @ b - exact))


class Levels:
    """Winograd's form beside NumPy at the sizes where it begins to pay."""

    params = (LARGE, DTYPES, [1, 2])
    param_names = ("shape", "dtype", "levels")
    timeout = 300

    def setup(self, shape, dtype, levels):
        """Draw the operands."""
        self.a, self.b = pair(shape, dtype)
        self.out = np.empty((len(self.a), self.b.shape[1]), dtype)

    def track_speed_over_numpy(self, shape, dtype, levels):
        """NumPy's time over ours."""
        return speed(
            lambda: np.matmul(self.a, self.b, out=self.out),
            lambda: randla.matmul(self.a, self.b, levels=levels, out=self.out),
        )


class Approximate:
    """Products of 200 terms for an inner dimension of 20000."""

    params = ("sketch", "sampling")
    param_names = ("method",)

    def setup(self, method):
        """Draw the operands."""
        self.a, self.b = pair("500x20000x500", "float64")
        randla.approx_matmul(self.a, self.b, k=200, method=method, rng=0)

    def time_200_terms(self, method):
        """With the estimate of its error."""
        randla.approx_matmul(self.a, self.b, k=200, method=method, rng=0)
