"""What the decompositions of `randla._svd` need of a device: Gaussian panels, triangles, CSR.

Products are cuBLAS's and cuSPARSE's; everything is launched on the current stream.
"""

from __future__ import annotations

import math
from typing import Any

import cupy
import numpy as np

from .._core.random import Stream
from ._launch import kernel

_THREADS = 256
_MOST_BLOCKS = 1 << 16


def gaussian(stream: Stream, kind: int, length: int, first: int, count: int, char: str) -> Any:
    """Columns first ... first + count - 1 of a Gaussian matrix with `length` rows."""
    wide = 2 if char in "FD" else 1
    n = length * wide
    rows = cupy.empty((count, n), char.lower())
    single = rows.dtype.itemsize == 4
    items = -(-n // (4 if single else 2))
    run = kernel("sketch", "sketch_normals", REAL="float" if single else "double")
    words = (np.uint64(stream.key), np.uint64(stream.offset), kind)
    for j in range(count):  # column j is a sub-stream; entries lie as in a vector
        grid = (min(_MOST_BLOCKS, -(-items // _THREADS)),)
        operator = (n, 0, *words, first + j, 0, n, 0, 1)
        run(grid, (_THREADS,), (*operator, np.int32(single), items, rows[j]))
    if wide == 1:
        return cupy.ascontiguousarray(rows.T)
    X = rows.view(char)
    X *= rows.dtype.type(math.sqrt(0.5))
    return cupy.ascontiguousarray(X.T)


def triangles(gram: Any, least: float) -> tuple[Any, Any] | None:
    """(R^-1, R) on the device with gram = R^H R; None where it is not certain, or not finite."""
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
    return inverse, R


def canonical(A: Any) -> Any:
    """CSR without duplicates, of a dtype that computes."""
    A = A.tocsr()
    if A.dtype.char not in "fdFD":
        A = A.astype("d")
    if not A.has_canonical_format:
        A = A.copy()
        A.sum_duplicates()
    return A
