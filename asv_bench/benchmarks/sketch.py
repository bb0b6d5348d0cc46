"""Benchmarks of sketching: times, memory, ratios to the incumbents and to one reading."""

import numpy as np
import scipy.linalg
import scipy.sparse as sp

import randla
from randla import sketch

from ._common import limited_speed, speed

M, N, D = 100_000, 500, 1000
MAKE = {
    "count_sketch": sketch.CountSketch,
    "sparse_sign_4": lambda d, m, rng: sketch.SparseSign(d, m, 4, rng=rng),
    "sparse_sign_8": sketch.SparseSign,
    "srht": sketch.SRHT,
    "row_sampling": sketch.RowSampling,
}
DENSE = {"rademacher": sketch.Rademacher, "gaussian": sketch.Gaussian}


def matrix(order="C", dtype="float64", m=M, n=N):
    """A normal matrix; the same one at every call."""
    A = np.random.default_rng(0).standard_normal((m, n), dtype=np.float32)
    return np.array(A, dtype=dtype, order=order)


class Products:
    """S @ A, drawing included."""

    params = (list(MAKE), ["C", "F"], ["float32", "float64"])
    param_names = ("operator", "order", "dtype")

    def setup(self, operator, order, dtype):
        """Draw the input."""
        self.A = matrix(order, dtype)

    def time_product(self, operator, order, dtype):
        """Time one product."""
        MAKE[operator](D, M, rng=1) @ self.A

    def peakmem_product(self, operator, order, dtype):
        """Peak of the resident memory: the matrix, the sketch, and little more."""
        MAKE[operator](D, M, rng=1) @ self.A

    def track_share_of_one_read(self, operator, order, dtype):
        """Time of one reading over that of the sketch: at best 1."""
        return speed(lambda: self.A.sum(), lambda: MAKE[operator](D, M, rng=1) @ self.A)

    track_share_of_one_read.unit = "of one read's rate"


class Adjoints:
    """S.T @ B."""

    params = (["count_sketch", "sparse_sign_8", "srht"], ["C", "F"])
    param_names = ("operator", "order")

    def setup(self, operator, order):
        """Draw the input."""
        self.B = matrix(order, m=D)

    def time_adjoint(self, operator, order):
        """Time one product."""
        MAKE[operator](D, M, rng=1).T @ self.B


class Dense:
    """Operators without zeros, 20000 x 200."""

    params = (list(DENSE),)
    param_names = ("operator",)

    def setup(self, operator):
        """Draw the input."""
        self.A = matrix(m=20_000, n=200)

    def time_dense(self, operator):
        """Time one product, drawing included."""
        DENSE[operator](D, 20_000, rng=1) @ self.A

    def track_drawing(self, operator):
        """Time of the product with a stored operator over that with a drawn one: at best 1."""
        S = DENSE[operator](D, 20_000, rng=1)
        entries = S.toarray()
        return speed(lambda: entries @ self.A, lambda: S @ self.A)

    def track_ratio_torch(self, operator):
        """Compare with a matrix that torch draws, and its product."""
        try:
            import torch
        except ImportError:
            return float("nan")
        tensor = torch.from_numpy(self.A)
        return speed(
            lambda: torch.randn(D, 20_000, dtype=tensor.dtype) @ tensor,
            lambda: DENSE[operator](D, 20_000, rng=1) @ self.A,
        )

    track_drawing.unit = "of the product's rate"
    track_ratio_torch.unit = "x torch's speed"


class Ratio:
    """Times the incumbent's speed, in turns in one process: higher is better."""

    params = (["C", "F"],)
    param_names = ("order",)
    timeout = 600

    def setup(self, order):
        """Draw the input."""
        self.A = matrix(order)

    def track_ratio_scipy(self, order):
        """Compare CountSketch with scipy.linalg.clarkson_woodruff_transform."""
        return speed(
            lambda: scipy.linalg.clarkson_woodruff_transform(self.A, D, 1),
            lambda: sketch.CountSketch(D, M, rng=1) @ self.A,
        )

    def track_ratio_csc(self, order):
        """Compare eight nonzeros a column with SciPy's product with a stored matrix."""
        S = sketch.SparseSign(D, M, rng=1)
        stored = S.apply(sp.eye_array(M, format="csr"), sparse_output=True).tocsc()
        return speed(
            lambda: stored @ self.A,
            lambda: sketch.SparseSign(D, M, rng=1) @ self.A,
        )

    def track_srht(self, order):
        """Time of an SRHT over that of four nonzeros a column: lower is better."""
        return speed(
            lambda: sketch.SRHT(D, M, rng=1) @ self.A,
            lambda: sketch.SparseSign(D, M, 4, rng=1) @ self.A,
        )

    track_ratio_scipy.unit = "x SciPy's speed"
    track_ratio_csc.unit = "x SciPy's speed"
    track_srht.unit = "x the time of SparseSign"


class Projection:
    """Rows of a data matrix, as scikit-learn has them."""

    params = (["dense", "sparse"],)
    param_names = ("what",)

    def setup(self, what):
        """Draw the input."""
        self.X = matrix(m=4000, n=10_000)
        if what == "sparse":
            self.X = sp.random_array((20_000, 10_000), density=0.01, rng=0, format="csr")

    def time_projection(self, what):
        """Time one product."""
        self.X @ sketch.SparseSign(D, 10_000, rng=1).T

    def track_ratio_sklearn(self, what):
        """Compare with the transform of a fitted SparseRandomProjection, dense output."""
        try:
            from sklearn.random_projection import SparseRandomProjection
        except ImportError:
            return float("nan")
        theirs = SparseRandomProjection(D, dense_output=True, random_state=0).fit(self.X)
        return speed(
            lambda: theirs.transform(self.X),
            lambda: self.X @ sketch.SparseSign(D, 10_000, rng=1).T,
        )

    def track_ratio_stored(self, what):
        """Compare with SciPy's product with a stored operator of the same nonzeros."""
        S = sketch.SparseSign(D, 10_000, rng=1)
        stored = S.apply(sp.eye_array(10_000, format="csr"), sparse_output=True).T.tocsr()

        def product():
            Y = self.X @ stored
            return Y.toarray() if sp.issparse(Y) else Y

        return speed(product, lambda: self.X @ sketch.SparseSign(D, 10_000, rng=1).T)

    track_ratio_sklearn.unit = "x scikit-learn's speed"
    track_ratio_stored.unit = "x SciPy's speed"


class Threads:
    """Time with one thread over time with two: at best 2."""

    params = (list(MAKE), ["C", "F"])
    param_names = ("operator", "order")

    def setup(self, operator, order):
        """Draw the input."""
        self.A = matrix(order)

    def track_two_threads(self, operator, order):
        """Compare."""
        return limited_speed(lambda: MAKE[operator](D, M, rng=1) @ self.A, 1, 2)

    def track_two_threads_reading(self, operator, order):
        """Bandwidth of two threads over that of one, by reading parts of the matrix."""
        columns = sketch.CountSketch(1, M, rng=1)
        return limited_speed(lambda: columns @ self.A, 1, 2)

    track_two_threads.unit = "x the speed of one thread"
    track_two_threads_reading.unit = "x the rate of one thread"


class Memory:
    """An operator of a terabyte takes none."""

    def peakmem_block(self):
        """Make a block of it."""
        randla.sketch.Gaussian(10**6, 10**6, rng=0).rows(5, 25).cols(10**5, 10**5 + 20).toarray()
