"""Operators without zeros: normal entries, and signs."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from .._core import dispatch, operators
from .._core.random import words
from ._layout import _deliver, single
from ._operator import Accumulator, LinearSketch


class Gaussian(LinearSketch):
    """Sketching operator of independent normal entries.

    Parameters
    ----------
    d : int
        Rows, in [1, 2**30].
    m : int or None
        Columns; None: any number.
    dtype : {float64, float32}, default float64
        Precision in which entries are drawn: 53 bits of two 32-bit words each, or 32 bits of one.
        It is part of what the operator is: the two have different entries.
    complex : bool, default False
        Independent normal real and imaginary parts, each divided by ``sqrt(2)``.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Its randomness; None draws from the system's entropy.

    Raises
    ------
    TypeError
        Sizes that are no integers, an `rng` of another kind.
    ValueError
        A size outside of its range, another `dtype`.

    See Also
    --------
    SparseSign : As good an embedding, for a tenth of the time and less.

    Notes
    -----
    **Guarantee.**  With ``d = (sqrt(r) + sqrt(2 log(1/p)))**2 / eps**2`` rows, singular values of S
    on any subspace of dimension r lie in ``[1 - eps, 1 + eps]`` with probability 1 - p; at
    ``d = 2 r`` they are in ``[0.29, 1.71]``, nearly always.  The distribution is that of a rotated
    operator: coherence of A does not matter.

    **Cost.**  ``2 d m n`` flops of a matrix product, in blocks of columns that are drawn as they
    are used; S never stands in memory.  The sums are those of the BLAS: they have the same bits in
    every call of the same shape, layout and number of threads.

    **Not to be used** where a sparse operator will do, which is nearly everywhere: it is the
    slowest of all.

    References
    ----------
    N. Halko, P. G. Martinsson, J. A. Tropp, "Finding structure with randomness", SIAM Review 53
    (2011), doi:10.1137/090771806.

    K. R. Davidson, S. J. Szarek, "Local operator theory, random matrices and Banach spaces",
    Handbook of the Geometry of Banach Spaces 1 (2001), doi:10.1016/S1874-5849(01)80010-3.

    Examples
    --------
    >>> import numpy as np, randla
    >>> S = randla.sketch.Gaussian(400, 5000, rng=0)
    >>> A = np.eye(5000, 3)
    >>> np.linalg.norm(S @ A, axis=0).round(1)
    array([1., 1., 1.])
    """

    _open = True

    def __init__(
        self,
        d: int,
        m: int | None,
        dtype: Any = np.float64,
        *,
        complex: bool = False,
        rng: Any = None,
    ) -> None:
        self._drawn = np.dtype(dtype)
        if self._drawn.char not in "fd":
            raise ValueError(f"dtype must be float32 or float64, got {self._drawn}")
        self._kind = "GAUSSIAN" if self._drawn.char == "d" else "GAUSSIAN_SINGLE"
        self._complex = bool(complex)
        super().__init__(d, m, rng)

    def _parameters(self) -> dict[str, Any]:
        drawn = {} if self._drawn.char == "d" else {"dtype": self._drawn.name}
        return drawn | ({"complex": True} if self._complex else {})

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the entries; products are computed in that of the matrix."""
        return np.result_type(self._drawn, np.complex64) if self._complex else self._drawn

    @property
    def scale(self) -> float:
        """Factor before the matrix of standard normals."""
        return 1 / math.sqrt((1 + self._complex) * self.d)

    def _parts(self) -> tuple[Gaussian, Gaussian]:
        """Two real operators: ``sqrt(2) S`` is the first and 1j times the second."""
        parts = copy.copy(self), copy.copy(self)
        for sub, part in enumerate(parts):
            part._complex, part._sub = False, sub
        return parts

    def _product(
        self,
        A: Any,
        axis: int | None,
        transposed: bool,
        out: Any = None,
        accumulate: bool = False,
        sparse_output: bool = False,
    ) -> Any:
        if not self._complex:
            return super()._product(A, axis, transposed, out, accumulate, sparse_output)
        if accumulate and out is None:
            raise ValueError("accumulate=True needs an array to add to, got out=None")
        if not operators.is_sparse(A) and dispatch.kind_of(A) not in ("sequence", "subclass"):
            A = single(A)  # there is no complex half precision
        real, imaginary = (
            part._product(A, axis, transposed, None, False, sparse_output) for part in self._parts()
        )
        if isinstance(real, np.ndarray):
            with np.errstate(invalid="ignore"):  # an infinity times 1j
                result = (real + 1j * imaginary) * math.sqrt(0.5)
        else:
            result = (real + 1j * imaginary) * math.sqrt(0.5)
        return result if out is None else _deliver(result, out, accumulate)

    def _entries(self, columns: int, char: str) -> np.ndarray:
        if not self._complex:
            return super()._entries(columns, char)
        real, imaginary = (part._entries(columns, char.lower()) for part in self._parts())
        return (real + 1j * imaginary) * math.sqrt(0.5)

    def _accumulator(self, n: int | None, dtype: Any) -> Accumulator:
        if self._complex:
            return _PairAccumulator(self._parts(), n, dtype)
        return super()._accumulator(n, dtype)

    def _definition(self, i: int, j: int) -> np.ndarray:
        """Columns i ... j - 1 of standard normals, from their formula: Box and Muller's pairs."""
        per = 2 if self._drawn.char == "d" else 4
        blocks = -(-self.d // per)
        w = words(self.stream, self._number, self._sub, i * blocks, (j - i) * blocks)
        if per == 2:
            long = w.astype(np.uint64)
            W = (long[:, ::2] + (long[:, 1::2] << np.uint64(32))) >> np.uint64(11)
            u, v = (W[:, :1] + 1.0) * 2.0**-53, W[:, 1:] * 2.0**-53
        else:
            u, v = w[:, ::2] * 2.0**-32 + 2.0**-33, w[:, 1::2] * 2.0**-32
        r = np.sqrt(-2 * np.log(u))
        pairs = np.stack([r * np.cos(2 * np.pi * v), r * np.sin(2 * np.pi * v)], axis=-1)
        return pairs.reshape(j - i, per * blocks)[:, : self.d].T


class _PairAccumulator(Accumulator):
    """Of a complex operator: its two real ones, each with its own sum."""

    def __init__(self, parts: tuple[Gaussian, Gaussian], n: int | None, dtype: Any) -> None:
        super().__init__(parts[0], n, dtype)
        self._other = Accumulator(parts[1], n, dtype)

    def update(self, block: Any) -> None:
        super().update(block)
        self._other.update(block)

    def result(self) -> Any:
        return (super().result() + 1j * self._other.result()) * math.sqrt(0.5)


class Rademacher(LinearSketch):
    """Sketching operator of independent random signs.

    Parameters
    ----------
    d : int
        Rows, in [1, 2**30].
    m : int or None
        Columns; None: any number.
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
    SparseSign : As good an embedding, for a tenth of the time and less.

    Notes
    -----
    **Guarantee.**  That of `Gaussian`, up to a constant: ``d = O((r + log(1/p)) / eps**2)`` rows
    embed any subspace of dimension r with distortion eps.  Distances of N points are kept within
    ``1 +- eps`` by ``d = 4 log(N) / (eps**2/2 - eps**3/3)``.

    **Cost.**  As `Gaussian`, but entries take one bit of the generator instead of 64.

    **Not to be used** where a sparse operator will do.

    References
    ----------
    D. Achlioptas, "Database-friendly random projections: Johnson-Lindenstrauss with binary coins",
    Journal of Computer and System Sciences 66 (2003), doi:10.1016/S0022-0000(03)00025-4.

    Examples
    --------
    >>> import numpy as np, randla
    >>> S = randla.sketch.Rademacher(4, 6, rng=0)
    >>> np.unique(S.toarray())
    array([-0.5,  0.5])
    """

    _open = True
    _kind = "RADEMACHER"

    def __init__(self, d: int, m: int | None, *, rng: Any = None) -> None:
        super().__init__(d, m, rng)

    def _definition(self, i: int, j: int) -> np.ndarray:
        """Columns i ... j - 1 of signs: bit by bit, 128 in a block."""
        blocks = -(-self.d // 128)
        w = words(self.stream, self._number, 0, i * blocks, (j - i) * blocks)
        bits = w[:, :, None] >> np.arange(32, dtype=np.uint32) & np.uint32(1)
        return 1.0 - 2.0 * bits.reshape(j - i, 128 * blocks)[:, : self.d].T
