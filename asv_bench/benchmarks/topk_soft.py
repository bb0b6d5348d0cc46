"""Soft ranks and soft top-k."""

import numpy as np

import randla


class Ranks:
    """Rows of even scores, and the same with an outlier."""

    params = ([1e-3, 0.2, 5.0], ["float32", "float64"], [False, True])
    param_names = ("temperature", "dtype", "outlier")

    def setup(self, temperature, dtype, outlier):
        """Make the scores."""
        self.x = np.random.default_rng(0).random((32, 4096)).astype(dtype)
        if outlier:
            self.x[:, 7] = 1e30

    def time_soft_rank(self, temperature, dtype, outlier):
        """Time of the ranks."""
        randla.soft_rank(self.x, temperature=temperature)


class Weights:
    """Each kind."""

    params = (["fermi", "laplace", "threshold", "shiva"], [1e-9, 0.1, 1.0])
    param_names = ("kind", "temperature")

    def setup(self, kind, temperature):
        """Make the scores."""
        self.x = np.random.default_rng(0).random((32, 4096)).astype("f")

    def time_soft_topk(self, kind, temperature):
        """Time of the weights."""
        randla.soft_topk(self.x, 2048, kind=kind, temperature=temperature)

    def track_sum(self, kind, temperature):
        """Largest error of the sum, in units of u n."""
        p = randla.soft_topk(self.x, 2048, kind=kind, temperature=temperature)
        return float(abs(p.astype(float).sum(1) - 2048).max() / (2.0**-24 * 4096))
