"""Arrays as the kernels of sketches take them, and results as they were given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._core import dispatch, validate


def _fold(A: Any, axis: int) -> Any:
    """A as a batch of matrices (b, m, n), the axis in the middle."""
    outer, inner = math.prod(A.shape[:axis]), math.prod(A.shape[axis + 1 :])
    if inner == 1:  # rows of a matrix are columns of its transpose
        return A.reshape(outer, A.shape[axis]).T[None]
    return A.reshape(outer, A.shape[axis], inner)


def _unfold(Y: Any, shape: tuple[int, ...], axis: int) -> Any:
    if math.prod(shape[axis + 1 :]) == 1:
        return Y[0].T.reshape(shape)
    return (Y[0] if len(Y) == 1 else Y).reshape(shape)


def _by_columns(X: Any) -> bool:
    """Whether columns of the matrices lie contiguous in memory, and far enough apart."""
    _, m, n = X.shape
    between = X.strides[2] if n > 1 else m * X.itemsize
    return X.strides[1] == X.itemsize and between >= m * X.itemsize and _whole(X)


def _by_rows(X: Any) -> bool:
    _, m, n = X.shape
    between = X.strides[1] if m > 1 else n * X.itemsize
    return X.strides[2] == X.itemsize and between >= n * X.itemsize and _whole(X)


def _whole(X: Any) -> bool:
    """Whether strides count elements, which lie where the processor wants them."""
    return not any(s % X.itemsize for s in X.strides) and getattr(X.flags, "aligned", True)


def _ready(lib: Any, X: Any, char: str) -> Any:
    """A batch of matrices in a dtype and a layout that kernels take: most often itself."""
    X = X.astype(char, copy=False)
    if _by_rows(X) or (_by_columns(X) and X.dtype.kind != "c"):
        return X
    X = lib.ascontiguousarray(X)
    return X if _whole(X) else X.copy()


def _like(lib: Any, X: Any, length: int, char: str) -> Any:
    """An empty batch (b, length, n) in the layout of X."""
    batch, _, n = X.shape
    if _by_rows(X):
        return lib.empty((batch, length, n), char)
    return lib.empty((batch, n, length), char).transpose(0, 2, 1)


def _same_layout(X: Any, Y: Any) -> bool:
    return (_by_rows(X) and _by_rows(Y)) or (_by_columns(X) and _by_columns(Y) and not _by_rows(X))


def single(A: Any) -> Any:
    """Give float32 in place of half precision, which is too narrow for sums."""
    if getattr(A.dtype, "itemsize", 0) != 2:
        return A
    xp = dispatch.namespace(A)
    half = [getattr(xp, name) for name in ("float16", "bfloat16") if hasattr(xp, name)]
    return xp.astype(A, xp.float32) if A.dtype in half else A


def _as_given(result: Any, A: Any) -> Any:
    """Half precision again, where A has it; other types have become what they should be."""
    xp = dispatch.namespace(A)
    return xp.astype(result, A.dtype) if single(A) is not A else result


def _deliver(result: Any, out: Any, accumulate: bool) -> Any:
    """Write what has been computed, or add it."""
    validate.output(out, tuple(result.shape), result.dtype, result)
    if accumulate:
        out += result
    else:
        out[...] = result
    return out


def _as_library(xp: Any, entries: np.ndarray, like: Any) -> Any:
    """Entries of an operator as an array of a library, with the dtype and device of another."""
    from array_api_compat import device

    array = xp.asarray(np.ascontiguousarray(entries), device=device(like))
    complex_like = xp.isdtype(like.dtype, "complex floating")
    if complex_like == (entries.dtype.kind == "c"):
        return xp.astype(array, like.dtype)
    single = like.dtype in (xp.float32, xp.complex64)
    if complex_like:  # real entries of a complex matrix: without a conversion where it may be
        return xp.astype(array, xp.float32 if single else xp.float64) + xp.zeros(
            (), dtype=like.dtype
        )
    return xp.astype(array, xp.complex64 if single else xp.complex128)
