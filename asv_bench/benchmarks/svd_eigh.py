"""Benchmarks of randomized_eigh beside ARPACK's eigsh, and of Nystroem beside scikit-learn's."""

import numpy as np
import scipy.fft
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh
from sklearn.kernel_approximation import Nystroem as Peer
from sklearn.metrics.pairwise import rbf_kernel

import randla
from randla.sklearn import Nystroem

from ._common import speed

SPECTRA = {
    "1/i": lambda i: 1 / i,
    "1/i^2": lambda i: i**-2.0,
    "exp(-i/10)": lambda i: np.exp(-i / 10),
}


def with_values(w):
    """A symmetric matrix with these eigenvalues: between random signs and cosine transforms."""
    rng, A = np.random.default_rng(0), np.diag(w)
    for _ in range(2):
        signs = rng.choice([-1.0, 1.0], len(w))
        A = signs[:, None] * A * signs
        A = scipy.fft.dct(scipy.fft.dct(A, axis=0, norm="ortho"), axis=1, norm="ortho")
    return (A + A.T) / 2


class Semidefinite:
    """Dense, n = 3000, k = 50: as it is called, and Nystrom's approximation in one product."""

    params = (sorted(SPECTRA), ["auto", "nystrom"])
    param_names = ("values", "method")
    timeout = 300

    def setup(self, values, method):
        """Make the matrix."""
        self.k, self.w = 50, SPECTRA[values](np.arange(1.0, 3001))
        self.A = with_values(self.w)
        self.method = method

    def call(self):
        """As it is measured."""
        return randla.randomized_eigh(self.A, self.k, psd=True, method=self.method, rng=0)

    def time_call(self, values, method):
        """All of it, with the errors it tells."""
        self.call()

    def peakmem_call(self, values, method):
        """The bases beside A."""
        self.call()

    def track_error(self, values, method):
        """Largest relative error of an eigenvalue."""
        return float(np.abs(self.call().eigenvalues / self.w[: self.k] - 1).max())

    def track_residual_over_value(self, values, method):
        """Norm of A V - V w over the least value, which says what `track_error` is worth."""
        w, V = self.call()
        return float(np.linalg.norm(self.A @ V - V * w, axis=0).max() / w[-1])

    def track_speed_over_eigsh(self, values, method):
        """Time of ARPACK at a tolerance of 1e-6 over ours."""
        return speed(lambda: eigsh(self.A, self.k, tol=1e-6), self.call)


class Sparse:
    """The Laplacian of a random graph with 20000 nodes: values of both ends, close together."""

    def setup(self):
        """Make the matrix."""
        rng = np.random.default_rng(0)
        G = sp.random_array((20_000, 20_000), density=5e-4, rng=rng, format="csr")
        G = G + G.T
        self.A = (sp.diags_array(G.sum(axis=0)) - G).tocsr()

    def time_of_20(self):
        """As it is called."""
        randla.randomized_eigh(self.A, 20, rng=0)

    def track_residual(self):
        """Largest residual over the least value: fourteen blocks are not enough here."""
        result = randla.randomized_eigh(self.A, 20, rng=0)
        return result.info.residual / abs(float(result.eigenvalues[-1]))


class Features:
    """Nystroem of the RBF kernel: 20000 samples of 64 features, in clusters."""

    params = ([300, 1000], ["uniform", "pivots"])
    param_names = ("n_components", "landmarks")
    timeout = 300

    def setup(self, n_components, landmarks):
        """Make samples, and the kernel of some of them."""
        rng = np.random.default_rng(0)
        centres = rng.standard_normal((30, 64))
        X = centres[(30 * rng.random(20_000) ** 3).astype(int)]
        self.X = X + 0.3 * rng.standard_normal(X.shape)
        self.options = {"gamma": 0.02, "n_components": n_components, "random_state": 0}
        self.ours = Nystroem(landmarks=landmarks, **self.options)
        self.peer = Peer(**self.options)
        self.asked = self.X[::20]
        self.K = rbf_kernel(self.asked, gamma=0.02)

    def time_fit(self, n_components, landmarks):
        """Landmarks, triangle, error."""
        self.ours.fit(self.X)

    def missing(self, estimator):
        """Share of the trace of the kernel that features lack."""
        F = estimator.fit(self.X).transform(self.asked)
        return float(1 - (F**2).sum() / np.trace(self.K))

    def track_missing_over_sklearn(self, n_components, landmarks):
        """What features lack, over what those of scikit-learn do."""
        return self.missing(self.ours) / self.missing(self.peer)

    def track_speed_over_sklearn(self, n_components, landmarks):
        """Time of scikit-learn's `fit` over that of ours."""
        return speed(lambda: self.peer.fit(self.X), lambda: self.ours.fit(self.X))

    def track_transform_over_sklearn(self, n_components, landmarks):
        """Time of scikit-learn's `transform` over that of ours."""
        few = self.X[:4000]
        self.peer.fit(self.X)
        self.ours.fit(self.X)
        return speed(lambda: self.peer.transform(few), lambda: self.ours.transform(few))
