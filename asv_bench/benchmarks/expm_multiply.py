"""Benchmarks of expm_multiply: small batches, one sparse matrix, the ratio to the incumbents."""

import numpy as np

import randla

from ._common import speed
from .expm import matrices

BATCHES = ["16384x6 float32", "4096x12 float32", "1024x24 float32", "1024x16 float64"]


class Small:
    """One vector for each matrix."""

    params = (BATCHES, [0.1, 1.0, 8.0])
    param_names = ("case", "norm")

    def setup(self, case, norm):
        """Draw the input."""
        shape, dtype = case.split()
        batch, n = (int(part) for part in shape.split("x"))
        self.a = matrices(batch, n, dtype, norm)
        self.b = np.ones((batch, n, 1), dtype)

    def time_multiply(self, case, norm):
        """Time the action."""
        randla.expm_multiply(self.a, self.b)

    def track_ratio_expm(self, case, norm):
        """Compare with forming the exponential."""
        return speed(
            lambda: randla.expm(self.a) @ self.b, lambda: randla.expm_multiply(self.a, self.b)
        )

    def track_ratio_torch(self, case, norm):
        """Compare with torch.matrix_exp and a product."""
        try:
            import torch
        except ImportError:
            return float("nan")
        a, b = torch.from_numpy(self.a), torch.from_numpy(self.b)
        return speed(lambda: torch.matrix_exp(a) @ b, lambda: randla.expm_multiply(self.a, self.b))

    track_ratio_expm.unit = "x the speed of expm(A) @ B"
    track_ratio_torch.unit = "x torch's speed"


def laplacian(m):
    """Second differences on m x m points."""
    import scipy.sparse as sp

    line = sp.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(m, m))
    eye = sp.eye_array(m)
    return (sp.kron(eye, line) + sp.kron(line, eye)).tocsr()


def convection(m):
    """The same with a drift: not symmetric."""
    import scipy.sparse as sp

    line = sp.diags_array([1.5, -2.0, 0.5], offsets=[-1, 0, 1], shape=(m, m))
    eye = sp.eye_array(m)
    return (sp.kron(eye, line) + sp.kron(line, eye)).tocsr()


def spins(count):
    """-i times the Hamiltonian of a transverse-field Ising chain."""
    import scipy.sparse as sp

    flip, sign = sp.csr_array([[0.0, 1.0], [1.0, 0.0]]), sp.csr_array([[1.0, 0.0], [0.0, -1.0]])

    def at(site, matrix):
        left, right = sp.eye_array(2**site), sp.eye_array(2 ** (count - site - 1))
        return sp.kron(sp.kron(left, matrix), right, format="csr")

    terms = [at(i, sign) @ at(i + 1, sign) for i in range(count - 1)]
    return (-1j * sum(terms + [at(i, flip) for i in range(count)])).tocsr()


class Sparse:
    """One sparse matrix; SciPy is the incumbent."""

    params = (
        ["heat, t = 1", "heat, t = 10", "heat, t = 100", "convection, t = 10", "spins, t = 1"],
    )
    param_names = ("case",)
    timeout = 600

    def setup(self, case):
        """Build the matrix."""
        make = {"heat": laplacian, "convection": convection, "spins": spins}[case.split(",")[0]]
        self.a = make(14 if make is spins else 316)
        self.b = np.random.default_rng(0).standard_normal(self.a.shape[0])
        self.t = float(case.split()[-1])

    def time_sparse(self, case):
        """Time one action at full accuracy."""
        randla.expm_multiply(self.a, self.b, t=self.t)

    def time_sparse_loose(self, case):
        """Time one action at eight digits."""
        randla.expm_multiply(self.a, self.b, t=self.t, tol=1e-8)

    def track_ratio_scipy(self, case):
        """Compare with scipy.sparse.linalg.expm_multiply at full accuracy."""
        from scipy.sparse.linalg import expm_multiply

        scaled = self.a * self.t
        return speed(
            lambda: expm_multiply(scaled, self.b),
            lambda: randla.expm_multiply(self.a, self.b, t=self.t),
        )

    def track_hundred_times(self, case):
        """Give the products of 100 times over those of the last one alone."""
        times = np.linspace(0, self.t, 100)
        _, all_of_them = randla.expm_multiply(self.a, self.b, t=times, return_info=True)
        _, last = randla.expm_multiply(self.a, self.b, t=self.t, return_info=True)
        return all_of_them.products / last.products

    track_ratio_scipy.unit = "x SciPy's speed"
    track_hundred_times.unit = "x the products"
