"""Benchmarks of QR factorisations: times, memory, accuracy, ratios to LAPACK's."""

import numpy as np
import scipy.linalg

import randla

from ._common import limited_speed, speed

SHAPES = ["20000x500", "100000x200", "5000x2000"]
FLOATS = ["float32", "float64"]


def matrix(shape, dtype, order="F"):
    """Random matrix of condition 1e8, or 1e4 in single precision; the same one at every call."""
    m, n = (int(part) for part in shape.split("x"))
    rng = np.random.default_rng([m, n])
    s = np.logspace(0, -8 if dtype == "float64" else -4, n)
    a = (rng.standard_normal((m, n)) * s) @ np.linalg.qr(rng.standard_normal((n, n)))[0]
    return np.asarray(a.astype(dtype), order=order)


class Shapes:
    """The published shapes."""

    params = (SHAPES, FLOATS)
    param_names = ("shape", "dtype")
    timeout = 300

    def setup(self, shape, dtype):
        """Draw the input."""
        self.a = matrix(shape, dtype)

    def time_pivoted(self, shape, dtype):
        """Time Q, R and P."""
        randla.qr(self.a, pivoting=True, rng=0)

    def time_plain(self, shape, dtype):
        """Time Q and R."""
        randla.qr(self.a, rng=0)

    def time_cholesky(self, shape, dtype):
        """Time CholeskyQR."""
        randla.cholesky_qr(self.a)

    def peakmem_pivoted(self, shape, dtype):
        """Memory of a pivoted factorisation, its input included."""
        randla.qr(self.a, pivoting=True, rng=0)

    def track_over_scipy(self, shape, dtype):
        """Time of SciPy's pivoted QR over ours, interleaved."""
        return speed(
            lambda: scipy.linalg.qr(self.a, pivoting=True, mode="economic", check_finite=False),
            lambda: randla.qr(self.a, pivoting=True, rng=0),
        )

    def track_over_numpy(self, shape, dtype):
        """Time of NumPy's QR over ours without pivots, interleaved."""
        return speed(lambda: np.linalg.qr(self.a), lambda: randla.qr(self.a, rng=0))

    def track_orthogonality(self, shape, dtype):
        """Norm of Q^T Q - I over sqrt(n), in units of eps."""
        q = randla.qr(self.a, pivoting=True, rng=0).Q
        off = np.linalg.norm(q.T @ q - np.eye(q.shape[1], dtype=q.dtype))
        return float(off / np.sqrt(q.shape[1]) / np.finfo(q.dtype).eps)


class Threads:
    """What the second thread brings."""

    params = (SHAPES[:2],)
    param_names = ("shape",)
    timeout = 300

    def setup(self, shape):
        """Draw the input."""
        self.a = matrix(shape, "float64")

    def track_two_over_one(self, shape):
        """Time with one thread over that with two."""
        return limited_speed(lambda: randla.qr(self.a, pivoting=True, rng=0), 1, 2, rounds=3)


class Layouts:
    """Row-major input is transposed while it is read."""

    params = (["C", "F"],)
    param_names = ("order",)

    def setup(self, order):
        """Draw the input."""
        self.a = matrix("20000x500", "float64", order)

    def time_layout(self, order):
        """Time Q, R and P."""
        randla.qr(self.a, pivoting=True, rng=0)


class Batches:
    """Many small matrices, on LAPACK with one thread each."""

    params = ([(256, 64, 16), (64, 400, 40)],)
    param_names = ("shape",)

    def setup(self, shape):
        """Draw the input."""
        self.a = np.random.default_rng(0).standard_normal(shape)

    def time_batch(self, shape):
        """Time a batch with pivots."""
        randla.qr(self.a, pivoting=True, rng=0)
