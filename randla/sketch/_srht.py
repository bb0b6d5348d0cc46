"""The subsampled randomized Hadamard transform."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._core import validate
from .._core.random import words
from ._operator import LinearSketch


class SRHT(LinearSketch):
    """Subsampled randomized Hadamard transform: random signs, Walsh-Hadamard transform, some rows.

    Parameters
    ----------
    d : int
        Rows, in [1, 2**ceil(log2(m))].
    m : int
        Columns.  A is continued by zeros to the next power of two, which cost nothing.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Its randomness; None draws from the system's entropy.

    Raises
    ------
    TypeError
        Sizes that are no integers, an `rng` of another kind.
    ValueError
        A size outside of its range.

    See Also
    --------
    SparseSign : Faster, and as good an embedding.

    Notes
    -----
    With N the next power of two, ``S[k, i] = (-1)**popcount(row[k] & i) D[i] / sqrt(d)`` where D
    are random signs and `row` d distinct numbers below N, ascending.

    **Guarantee.**  A subspace of dimension r is embedded with distortion eps by
    ``d = O((r + log m) log(r) / eps**2)`` rows [1]_; for most matrices ``d = 2 r`` is enough.
    For some it is not: where 100 rows that follow each other outweigh all others, 300 rows of the
    sketch change lengths by factors from 0.02 to 1.6, since the transform of an aligned run has few
    different rows.

    **Cost.**  ``m (log2(L) + d / L)`` additions for each column of A, in transforms of L = 2048
    rows (the next power of two at least d, if larger) that stay in cache: the rows of the whole
    transform that are kept are sums of rows of these.

    **Not to be used** where what is not finite must stay where it is: each entry of A reaches every
    row.

    References
    ----------
    .. [1] J. A. Tropp, "Improved analysis of the subsampled randomized Hadamard transform",
       Advances in Adaptive Data Analysis 3 (2011), doi:10.1142/S1793536911000787.

    Examples
    --------
    >>> import numpy as np, randla
    >>> S = randla.sketch.SRHT(512, 1000, rng=0)
    >>> abs(np.linalg.norm(S @ np.ones(1000)) / np.sqrt(1000) - 1) < 0.1
    np.True_
    """

    _kind = "SRHT"

    def __init__(self, d: int, m: int, *, rng: Any = None) -> None:
        super().__init__(d, m, rng)
        self._length = 1 << (self.m - 1).bit_length()
        validate.inside("d", self.d, 1, self._length, f" (the power of two from m = {self.m} up)")

    def _definition(self, i: int, j: int) -> np.ndarray:
        """Columns i ... j - 1, unscaled."""
        first = i // 128
        w = words(self.stream, self._number, 0, first, -(-j // 128) - first)
        bits = (w[:, :, None] >> np.arange(32, dtype=np.uint32) & np.uint32(1)).ravel()
        signs = 1.0 - 2.0 * bits[i - 128 * first : j - 128 * first]
        kept = subset(self.stream, self._number, 1, self.d, self._length)
        common = kept[:, None] & np.arange(i, j)
        odd = np.array([int(c).bit_count() & 1 for c in common.ravel()]).reshape(common.shape)
        return (1.0 - 2.0 * odd) * signs


def subset(stream: Any, number: int, sub: int, count: int, bound: int) -> np.ndarray:
    """Floyd's draw of `count` distinct integers below `bound`, ascending."""
    long = words(stream, number, sub, 0, -(-count // 2)).astype(np.uint64)
    draws = (long[:, ::2] + (long[:, 1::2] << np.uint64(32))).ravel()
    chosen: set[int] = set()
    for t in range(count):
        last = bound - count + t
        r = (int(draws[t]) >> 1) * (last + 1) >> 63
        chosen.add(last if r in chosen else r)
    return np.array(sorted(chosen), np.int64)
