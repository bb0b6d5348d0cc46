"""What the decompositions of `randla._svd` need of a device: Gaussian panels, triangles, sums, CSR.

Products are cuBLAS's and cuSPARSE's; everything is launched on the current stream.
"""

from __future__ import annotations

import math
from typing import Any

import cupy
import numpy as np

from .._core.random import Stream
from ._launch import kernel

_REALS = {"f": "float", "d": "double"}
VARIANTS = tuple({"REAL": name} for name in _REALS.values())
_THREADS = 256
_COLUMNS = 64  # threads of sums of columns: few, since there may be few columns
_MOST_BLOCKS = 1 << 16
_MOST_SHARED = 96 * 1024


def gaussian(stream: Stream, kind: int, length: int, first: int, count: int, char: str) -> Any:
    """Columns first ... first + count - 1 of a Gaussian matrix with `length` rows."""
    wide = 2 if char in "FD" else 1
    n = length * wide
    rows = cupy.empty((count, n), char.lower())
    single = rows.dtype.itemsize == 4
    items = -(-n // (4 if single else 2)) * count
    run = kernel("sketch", "sketch_normals", REAL="float" if single else "double")
    words = (np.uint64(stream.key), np.uint64(stream.offset), kind)
    grid = (min(_MOST_BLOCKS, -(-items // _THREADS)),)
    operator = (n, 0, *words, first, 0, n, 0, count)  # column j is a sub-stream
    run(grid, (_THREADS,), (*operator, np.int32(single), np.int32(1), items, rows))
    if wide == 1:
        return cupy.ascontiguousarray(rows.T)
    X = rows.view(char)
    X *= rows.dtype.type(math.sqrt(0.5))
    return cupy.ascontiguousarray(X.T)


def triangles(gram: Any, least: float) -> tuple[Any, np.ndarray] | None:
    """R^-1 on the device and R on the host, gram = R^H R; None where it is not certain or finite.

    One wait, for R and what was found.
    """
    width, char = len(gram), gram.dtype.char
    shared = width * (width + 3) * gram.dtype.itemsize
    if char not in _REALS or shared > _MOST_SHARED:
        return _wide_triangles(gram, least)
    both = cupy.empty((2, width, width), char)
    certain = cupy.empty(1, np.int32)
    run = kernel("svd", "svd_triangles", REAL=_REALS[char])
    args = (cupy.ascontiguousarray(gram), width, float(least), both[0], both[1], certain)
    run((1,), (_THREADS,), args, shared_mem=shared)
    found = cupy.concatenate([both[1].ravel(), certain.astype(char)]).get()
    return (both[0], found[:-1].reshape(width, width)) if found[-1] else None


def _wide_triangles(gram: Any, least: float) -> tuple[Any, np.ndarray] | None:
    """The same by cuSOLVER."""
    d = cupy.sqrt(gram.diagonal().real)
    d = cupy.where(d > 0, d, cupy.ones_like(d))
    scaled = gram / d / d[:, None]
    try:
        L = cupy.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:  # only under cupyx.errstate(linalg="raise")
        return None
    # else nobody looks whether cuSOLVER failed, which leaves what it had by then
    off = cupy.abs(L @ L.conj().T - scaled).max()
    certain = (off < 1e-3) & (L.diagonal().real.min() > least)  # false for NaN
    if not bool(certain):
        return None
    R = L.conj().T * d
    inverse = cupy.linalg.inv(L).conj().T / d[:, None]
    return inverse, R.get()


def squares_of_rows(X: Any) -> np.ndarray:
    """Sums of squares of the rows of a C-contiguous matrix, on the host: one wait."""
    rows, n = X.shape
    squares = cupy.empty(rows, np.float64)
    run = kernel("svd", "svd_squares_of_rows", REAL=_REALS[X.dtype.char])
    run((min(_MOST_BLOCKS, rows),), (_THREADS,), (X, rows, n, squares))
    return squares.get()  # type: ignore[no-any-return]


def add_columns(X: Any, sums: Any) -> None:
    """Add the rows of a C-contiguous matrix to sums in double precision, one after the other."""
    rows, n = X.shape
    run = kernel("svd", "svd_add_columns", REAL=_REALS[X.dtype.char])
    run((-(-n // _COLUMNS),), (_COLUMNS,), (X, rows, n, sums))


def canonical(A: Any) -> Any:
    """CSR without duplicates, of a dtype that computes."""
    A = A.tocsr()
    if A.dtype.char not in "fdFD":
        A = A.astype("d")
    if not A.has_canonical_format:
        A = A.copy()
        A.sum_duplicates()
    return A
