"""Benchmarks of trace_estimate and norm_estimate: times, and errors beside Hutchinson's."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, splu, svds

import randla

from ._common import speed

METHODS = ["xtrace", "xnystrace", "hutch++", "hutchinson"]


def decaying(n):
    """Eigenvalues 1 / i**2; sines are the eigenvectors."""
    i = np.arange(1, n + 1)
    V = np.sqrt(2 / (n + 1)) * np.sin(np.pi * np.outer(i, i) / (n + 1))
    return (V / i**2) @ V


class Dense:
    """2000 x 2000, 60 products."""

    params = METHODS
    param_names = ("method",)

    def setup(self, method):
        """Make the matrix."""
        self.A = decaying(2000)

    def time_trace(self, method):
        """As it is called."""
        randla.trace_estimate(self.A, method=method, rng=0)

    def track_share_of_hutchinsons_error(self, method):
        """Root-mean-square error of ten runs over that of the plain mean, 60 products each."""
        truth = np.trace(self.A)

        def rms(name):
            runs = [randla.trace_estimate(self.A, method=name, rng=seed) for seed in range(10)]
            return np.sqrt(np.mean([(run.value - truth) ** 2 for run in runs]))

        return float(rms(method) / rms("hutchinson"))

    def track_error_over_truth(self, method):
        """What the estimates say of their error over what it is, root mean squares."""
        truth = np.trace(self.A)
        runs = [randla.trace_estimate(self.A, method=method, rng=seed) for seed in range(10)]
        return float(
            np.sqrt(
                np.mean([run.error**2 for run in runs])
                / np.mean([(run.value - truth) ** 2 for run in runs])
            )
        )


class Inverse:
    """Of a Laplacian with 40000 rows, by solves."""

    params = METHODS
    param_names = ("method",)

    def setup(self, method):
        """Factorise."""
        one = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(200, 200))
        eye = sp.eye_array(200)
        solve = splu((sp.kron(one, eye) + sp.kron(eye, one)).tocsc()).solve
        self.A = LinearOperator((40_000, 40_000), matvec=solve, matmat=solve, dtype=float)

    def time_trace(self, method):
        """20 products."""
        randla.trace_estimate(self.A, method=method, budget=20, rng=0)


class Norm:
    """Of a sparse matrix, 30000 x 10000 with 20 entries in a row."""

    def setup(self):
        """Make the matrix."""
        rng = np.random.default_rng(0)
        self.start = rng.standard_normal(10_000)
        self.A = sp.random_array((30_000, 10_000), density=0.002, rng=rng, format="csr")

    def time_norm(self):
        """As it is called."""
        randla.norm_estimate(self.A, rng=0)

    def track_width_of_the_bound(self):
        """The error over the value."""
        value, error = randla.norm_estimate(self.A, rng=0)
        return float(error / value)

    def track_speed_over_svds(self):
        """Time of SciPy's Lanczos iteration to a thousandth over ours."""
        return speed(
            lambda: svds(self.A, 1, tol=1e-3, return_singular_vectors=False, v0=self.start),
            lambda: randla.norm_estimate(self.A, rng=0),
        )
