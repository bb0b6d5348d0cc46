"""Benchmarks of StreamingSVD: rate, memory, and the ratio to scikit-learn's IncrementalPCA."""

import numpy as np
from sklearn.decomposition import IncrementalPCA

import randla
from randla.sklearn import RandomizedPCA

from ._common import speed

ROWS = 1000


def streamed(block, count, **options):
    """The same rows over and over: a stream does not look back."""
    stream = randla.StreamingSVD(block.shape[1], 10, dtype=block.dtype, rng=0, **options)
    for _ in range(count):
        stream.update_rows(block)
    return stream


class Rows:
    """Blocks of 1000 rows of 1000 numbers, rank 10."""

    params = ("float32", "float64")
    param_names = ("dtype",)

    def setup(self, dtype):
        """Make a gigabyte, which no cache holds."""
        rows = 10**9 // (ROWS * np.dtype(dtype).itemsize)
        self.A = np.random.default_rng(0).standard_normal((rows, ROWS), dtype)
        self.v = np.ones(ROWS, dtype)

    def take(self, **options):
        """All of it."""
        stream = randla.StreamingSVD(ROWS, 10, rng=0, **options)
        for i in range(0, len(self.A), ROWS):
            stream.update_rows(self.A[i : i + ROWS])

    def time_of_a_gigabyte(self, dtype):
        """Sketches of all blocks."""
        self.take()

    def time_of_a_gigabyte_without_left_vectors(self, dtype):
        """And triangles of these."""
        self.take(left=False)

    def track_share_of_a_read(self, dtype):
        """Time of a product with a vector, which reads the rows once, over that of the stream."""
        return speed(lambda: self.A @ self.v, self.take)


class Result:
    """What is asked now and then."""

    def setup(self):
        """Take 100 blocks."""
        self.stream = streamed(np.random.default_rng(0).standard_normal((ROWS, ROWS)), 100)
        self.right = streamed(np.random.default_rng(0).standard_normal((ROWS, ROWS)), 3, left=False)

    def time_result(self):
        """U for 100000 rows."""
        self.stream.result()

    def time_pca(self):
        """Values and axes, of any number of rows."""
        self.right.pca()


class Memory:
    """A hundred blocks: 800 MB go by."""

    def setup(self):
        """Make one block."""
        self.block = np.random.default_rng(0).standard_normal((ROWS, ROWS))

    def peakmem_of_800_megabytes(self):
        """Sketches, one block, and what it takes to start."""
        streamed(self.block, 100)


class PartialFit:
    """RandomizedPCA beside IncrementalPCA: batches of samples, 20 components."""

    params = (200, 1000)
    param_names = ("batch",)

    def setup(self, batch):
        """Make 4000 samples with 784 features."""
        rng = np.random.default_rng(0)
        A = rng.standard_normal((4000, 100)) / np.arange(1, 101)
        self.A = A @ rng.standard_normal((100, 784)) + 0.01 * rng.standard_normal((4000, 784))

    def fit(self, estimator, batch):
        """One batch after the other."""
        for i in range(0, len(self.A), batch):
            estimator.partial_fit(self.A[i : i + batch])
        assert estimator.components_.shape == (20, 784)
        return estimator

    def time_partial_fit(self, batch):
        """All batches."""
        self.fit(RandomizedPCA(20, random_state=0), batch)

    def track_speed_over_sklearn(self, batch):
        """Time of IncrementalPCA over ours."""
        return speed(
            lambda: self.fit(IncrementalPCA(20), batch),
            lambda: self.fit(RandomizedPCA(20, random_state=0), batch),
        )

    def track_error_over_sklearn(self, batch):
        """What the components leave of the centred samples, over what those of the peer leave."""
        X = self.A - self.A.mean(axis=0)
        left = []
        for one in (RandomizedPCA(20, random_state=0), IncrementalPCA(20)):
            V = self.fit(one, batch).components_
            left.append(np.linalg.norm(X - X @ V.T @ V))
        return left[0] / left[1]
