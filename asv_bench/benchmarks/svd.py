"""Benchmarks of randomized_svd: times, memory, accuracy, and the ratio to scikit-learn's."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd as sklearn_svd

import randla

from ._common import speed


def slow(m, n, dtype):
    """Singular values 1 / i; cosines are the singular vectors."""
    i = np.arange(min(m, n))
    sides = []
    for size in (m, n):
        X = np.cos(np.pi * np.outer(np.arange(size) + 0.5, i) / size) * np.sqrt(2 / size)
        X[:, 0] *= np.sqrt(0.5)
        sides.append(X)
    return ((sides[0] / (i + 1)) @ sides[1].T).astype(dtype)


class Dense:
    """As it is called, for two shapes."""

    params = (["2000x2000", "20000x1000"], ["float32", "float64"])
    param_names = ("shape", "dtype")
    timeout = 300

    def setup(self, shape, dtype):
        """Make the matrix."""
        m, n = map(int, shape.split("x"))
        self.A, self.k = slow(m, n, dtype), 50 if m == n else 20

    def time_auto(self, shape, dtype):
        """Four iterations."""
        randla.randomized_svd(self.A, self.k, rng=0)

    def peakmem_auto(self, shape, dtype):
        """With the copy in single precision."""
        randla.randomized_svd(self.A, self.k, rng=0)

    def track_error(self, shape, dtype):
        """Largest relative error of a value."""
        S = randla.randomized_svd(self.A, self.k, rng=0).S
        return float(np.abs(S * np.arange(1, self.k + 1) - 1).max())

    def track_speed_over_sklearn(self, shape, dtype):
        """Time of scikit-learn's with as many iterations over ours."""
        return speed(
            lambda: sklearn_svd(
                self.A, self.k, n_iter=4, power_iteration_normalizer="LU", random_state=0
            ),
            lambda: randla.randomized_svd(self.A, self.k, rng=0),
        )


class Sparse:
    """CSR, 30000 x 10000 with 20 entries in a row."""

    params = ("krylov", "subspace")
    param_names = ("method",)

    def setup(self, method):
        """Make the matrix."""
        rng = np.random.default_rng(0)
        self.A = sp.random_array((30_000, 10_000), density=0.002, rng=rng, format="csr")

    def time_of_rank_20(self, method):
        """As many iterations as the method takes by itself."""
        randla.randomized_svd(self.A, 20, method=method, rng=0)

    def peakmem_pca(self, method):
        """Centred, and sparse all the same."""
        randla.pca(self.A, 20, method=method, rng=0)

    def track_speed_over_sklearn(self, method):
        """Time of scikit-learn's default over ours."""
        return speed(
            lambda: sklearn_svd(self.A, 20, random_state=0),
            lambda: randla.randomized_svd(self.A, 20, method=method, rng=0),
        )


class Adaptive:
    """A relative error of one in a hundred."""

    def setup(self):
        """Make the matrix."""
        self.A = slow(1500, 1000, "float64")

    def time_rtol(self):
        """The rank is found on the way."""
        randla.randomized_svd(self.A, rtol=0.1, rng=0)

    def track_rank_over_least(self):
        """Rank over the least one that reaches the error."""
        tails = np.sqrt(np.cumsum(1 / np.arange(1000, 0, -1.0) ** 2))[::-1]
        least = int(np.flatnonzero(tails <= 0.1 * tails[0])[0])
        return randla.randomized_svd(self.A, rtol=0.1, rng=0).rank / least
