"""Benchmarks of least squares and interpolative decompositions: times, accuracy, ratios."""

import numpy as np
import scipy.linalg
import scipy.linalg.interpolative
import scipy.sparse
from scipy.sparse.linalg import lsqr

import randla

from ._common import speed

SHAPES = ["20000x200", "30000x500"]


def problem(shape, cond=1e6):
    """Log-spaced columns, and a right-hand side with a residual; the same ones at every call."""
    m, n = (int(part) for part in shape.split("x"))
    rng = np.random.default_rng([m, n])
    a = rng.standard_normal((m, n)) * np.logspace(0, -np.log10(cond), n)
    return a, a @ rng.standard_normal(n) + 0.1 * rng.standard_normal(m)


class Dense:
    """Tall arrays."""

    params = (SHAPES, ["auto", "qr"])
    param_names = ("shape", "method")
    timeout = 300

    def setup(self, shape, method):
        """Draw the input."""
        self.a, self.b = problem(shape)

    def time_solve(self, shape, method):
        """Time one right-hand side."""
        randla.lstsq(self.a, self.b, method=method, rng=0)

    def peakmem_solve(self, shape, method):
        """Memory, the input included."""
        randla.lstsq(self.a, self.b, method=method, rng=0)

    def track_over_gelsy(self, shape, method):
        """Time of LAPACK's pivoted QR over ours, interleaved."""
        return speed(
            lambda: scipy.linalg.lstsq(self.a, self.b, lapack_driver="gelsy", check_finite=False),
            lambda: randla.lstsq(self.a, self.b, method=method, rng=0),
        )

    def track_over_numpy(self, shape, method):
        """Time of NumPy's singular values over ours, interleaved."""
        return speed(
            lambda: np.linalg.lstsq(self.a, self.b, rcond=None),
            lambda: randla.lstsq(self.a, self.b, method=method, rng=0),
        )

    def track_steps(self, shape, method):
        """Steps of the iteration."""
        return randla.lstsq(self.a, self.b, method=method, rng=0).info.n_steps

    def track_backward_error(self, shape, method):
        """Estimate of the backward error, in eps."""
        return randla.lstsq(self.a, self.b, method=method, rng=0).info.backward_error * 2**52


class Sparse:
    """Sparse arrays against LSQR without a preconditioner, to the same accuracy where it gets."""

    timeout = 300

    def setup(self):
        """Draw the input."""
        rng = np.random.default_rng(0)
        a = scipy.sparse.random_array((200_000, 400), density=0.01, rng=rng).tocsr()
        self.a = a @ scipy.sparse.diags_array(np.logspace(0, -3, 400))
        self.b = self.a @ rng.standard_normal(400) + 0.1 * rng.standard_normal(200_000)

    def time_solve(self):
        """Time one right-hand side."""
        randla.lstsq(self.a, self.b, rng=0)

    def track_over_lsqr(self):
        """Time of SciPy's LSQR over ours, interleaved."""
        return speed(
            lambda: lsqr(self.a, self.b, atol=1e-14, btol=1e-14, iter_lim=2000),
            lambda: randla.lstsq(self.a, self.b, rng=0),
        )


class Columns:
    """Interpolative decompositions."""

    params = ([False, True],)
    param_names = ("fast",)
    timeout = 300

    def setup(self, fast):
        """Draw the input."""
        rng = np.random.default_rng(0)
        q = rng.standard_normal((10_000, 200)) * 0.95 ** np.arange(200)
        self.a = q @ rng.standard_normal((200, 784))

    def time_interpolative(self, fast):
        """Time 50 columns."""
        randla.interpolative(self.a, 50, fast=fast, rng=0)

    def track_over_scipy(self, fast):
        """Time of SciPy's decomposition by a random projection over ours, interleaved."""
        return speed(
            lambda: scipy.linalg.interpolative.interp_decomp(self.a, 50, rng=0),
            lambda: randla.interpolative(self.a, 50, fast=fast, rng=0),
        )
