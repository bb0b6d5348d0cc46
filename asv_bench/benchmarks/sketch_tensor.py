"""Benchmarks of TensorSketch: times, memory, ratios to scikit-learn, NumPy and torch, accuracy."""

import numpy as np
import scipy.fft
import scipy.sparse

import randla
from randla.sketch import TensorSketch

from ._common import limited_speed, speed

DEGREES = [2, 3, 4]
COMPONENTS = [1024, 4096]
FLOATS = ["float32", "float64"]


def rows(dtype, count=10000, m=200):
    """Unit vectors on a cone, so that kernels are not all zero."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((count, m))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.ascontiguousarray(x + 0.5 * x[:1]).astype(dtype)


def hashes(S):
    """Buckets and signs of each factor."""
    return [tuple(part[:-1] for part in S._codes(g)) for g in range(S.degree)]


def by_numpy(S, x, chunk=256):
    """Return a call that does the same by sparse products and SciPy's rfft, in chunks."""
    n = len(S._codes(0)[0]) - 1
    matrices = [
        scipy.sparse.csr_array((sign.astype(x.dtype), (bucket, np.arange(n))), shape=(S.d, n))
        for bucket, sign in hashes(S)
    ]

    def call():
        out = np.empty((len(x), S.d), x.dtype)
        for start in range(0, len(x), chunk):
            part = x[start : start + chunk]
            product = None
            for matrix in matrices:
                f = scipy.fft.rfft((matrix @ part.T).T, axis=1)
                product = f if product is None else np.multiply(product, f, out=product)
            out[start : start + chunk] = scipy.fft.irfft(product, n=S.d, axis=1, overwrite_x=True)
        return out

    return call


def by_torch(S, x):
    """Return a call that does the same in torch: index_add, rfft, irfft."""
    import torch

    t = torch.from_numpy(x)
    pairs = [
        (torch.from_numpy(bucket), torch.from_numpy(sign.astype(x.dtype)))
        for bucket, sign in hashes(S)
    ]

    def call():
        product = None
        for bucket, sign in pairs:
            hashed = torch.zeros(len(x), S.d, dtype=t.dtype).index_add_(1, bucket, t * sign)
            f = torch.fft.rfft(hashed, dim=1)
            product = f if product is None else product * f
        return torch.fft.irfft(product, n=S.d, dim=1)

    return call


class Cases:
    """The published cases: 10000 rows of 200."""

    params = (DEGREES, COMPONENTS, FLOATS)
    param_names = ("degree", "components", "dtype")

    def setup(self, degree, components, dtype):
        """Draw the input."""
        self.x = rows(dtype)
        self.S = TensorSketch(components, 200, degree, rng=0)
        self.sparse = scipy.sparse.random_array(
            self.x.shape, density=0.05, format="csr", dtype=self.x.dtype, rng=1
        )

    def time_dense(self, degree, components, dtype):
        """Time dense rows."""
        self.S.apply(self.x, axis=1)

    def time_sparse(self, degree, components, dtype):
        """Time rows of which one entry in twenty is not zero."""
        self.S.apply(self.sparse, axis=1)

    def peakmem_dense(self, degree, components, dtype):
        """Peak memory, the result included."""
        self.S.apply(self.x, axis=1)


class Ratios:
    """Times of others over ours, interleaved, on one thread."""

    params = (DEGREES, COMPONENTS, FLOATS)
    param_names = ("degree", "components", "dtype")
    timeout = 600

    def setup(self, degree, components, dtype):
        """Draw the input."""
        self.x = rows(dtype, 2000)
        self.S = TensorSketch(components, 200, degree, rng=0)

    def _ratio(self, slow):
        with randla.num_threads(1):
            return speed(slow, lambda: self.S.apply(self.x, axis=1))

    def track_numpy(self, degree, components, dtype):
        """NumPy: sparse products and rfft, in chunks."""
        return self._ratio(by_numpy(self.S, self.x))

    def track_torch(self, degree, components, dtype):
        """Compare with torch: index_add and rfft."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self._ratio(by_torch(self.S, self.x))
        finally:
            torch.set_num_threads(before)

    def track_sklearn(self, degree, components, dtype):
        """Compare with scikit-learn, which computes in float64 always."""
        from sklearn.kernel_approximation import PolynomialCountSketch

        peer = PolynomialCountSketch(degree=degree, n_components=components, random_state=0)
        peer.fit(self.x)
        return self._ratio(lambda: peer.transform(self.x))

    def track_one_transform(self, degree, components, dtype):
        """One rfft of the result, for scale: below 1 means that all of it took less."""
        y = self.S.apply(self.x, axis=1)
        return self._ratio(lambda: scipy.fft.rfft(y, axis=1))


class Others:
    """Threads, precision, lengths that are no powers of two, gradients."""

    def setup(self):
        """Draw the input."""
        self.x = rows("float64", 2000)
        self.S = TensorSketch(1024, 200, 2, rng=0)

    def track_threads(self):
        """One thread over two."""
        return limited_speed(lambda: self.S.apply(self.x, axis=1), 1, 2)

    def track_single_precision(self):
        """Compare float64 with float32."""
        narrow = self.x.astype(np.float32)
        with randla.num_threads(1):
            return speed(lambda: self.S.apply(self.x, axis=1), lambda: self.S.apply(narrow, axis=1))

    def time_any_length(self):
        """Time 1000 components, which need transforms of 2048."""
        TensorSketch(1000, 200, 2, rng=0).apply(self.x, axis=1)

    def time_gradient(self):
        """Time a forward and a backward pass in torch."""
        import torch

        x = torch.from_numpy(self.x).requires_grad_()
        self.S.apply(x, axis=1).sum().backward()

    def track_kernel_error(self):
        """Relative error of the kernel matrix of 500 rows, in the Frobenius norm."""
        F = self.S.apply(self.x[:500], axis=1)
        exact = (self.x[:500] @ self.x[:500].T) ** 2
        return float(np.linalg.norm(F @ F.T - exact) / np.linalg.norm(exact))


for _method in (
    Ratios.track_numpy, Ratios.track_torch, Ratios.track_sklearn, Ratios.track_one_transform,
    Others.track_threads, Others.track_single_precision,
):  # fmt: skip
    _method.unit = "x"
