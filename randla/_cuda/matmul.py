"""Winograd's form over cuBLAS on a device: what `randla._cpu.matmul` is to NumPy."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from ._launch import kernel

VARIANTS = tuple({"REAL": real} for real in ("float", "double"))
_THREADS = 256
_MOST_BLOCKS = 1 << 16


def winograd(a: Any, b: Any, c: Any, levels: int) -> tuple[int, int]:
    """C = A B, all C-contiguous along rows, by at most so many levels.

    Returns the levels, and the bytes of temporaries that lived at the same time.
    """
    m, k, n = a.shape[0] // 2, a.shape[1] // 2, b.shape[1] // 2
    if levels == 0 or 0 in (m, k, n):
        c[...] = cupy.matmul(a, b)
        return 0, 0
    a11, a12, a22 = a[:m, :k], a[:m, k : 2 * k], a[m : 2 * m, k : 2 * k]
    b11, b21, b22 = b[:k, :n], b[k : 2 * k, :n], b[k : 2 * k, n : 2 * n]
    s, t = cupy.empty((4, m, k), a.dtype), cupy.empty((4, k, n), a.dtype)
    _launch("matmul_left", (m, k), a, a, s)
    _launch("matmul_right", (k, n), b, b, t)
    pairs = (
        (a11, b11), (s[1], t[1]), (s[2], t[2]), (s[0], t[0]), (a12, b21), (s[3], b22), (a22, t[3]),
    )  # fmt: skip
    products = cupy.empty((7, m, n), a.dtype)
    used, below = 0, 0
    for (left, right), product in zip(pairs, products, strict=True):
        used, below = winograd(left, right, product, levels - 1)
    _launch("matmul_result", (m, n), c, *products, c)
    m2, k2, n2 = 2 * m, 2 * k, 2 * n
    if k2 < a.shape[1]:
        c[:m2, :n2] += cupy.matmul(a[:m2, k2:], b[k2:, :n2])
    if n2 < b.shape[1]:
        c[:, n2:] = cupy.matmul(a, b[:, n2:])
    if m2 < a.shape[0]:
        c[m2:, :n2] = cupy.matmul(a[m2:], b[:, :n2])
    return used + 1, s.nbytes + t.nbytes + products.nbytes + below


def _launch(name: str, shape: tuple[int, int], strided: Any, *arrays: Any) -> None:
    """A pass over blocks of this shape; `strided`, one of the arrays, has rows of any distance."""
    rows, cols = shape
    wide = 2 if strided.dtype.kind == "c" else 1
    real = "float" if strided.dtype.char in "fF" else "double"
    arguments: list[Any] = []
    for x in arrays:
        arguments.append(x)
        if x is strided:
            arguments.append(strided.strides[0] // strided.itemsize * wide)
    blocks = min(_MOST_BLOCKS, -(-rows * cols * wide // _THREADS))
    run = kernel("matmul", name, REAL=real)
    run((blocks,), (_THREADS,), (rows, cols * wide, *arguments))


def product(a: Any, b: Any, c: Any, levels: int) -> tuple[int, int]:
    """C = A B for any layout: levels and bytes."""
    direct = c if _rows_together(c) else cupy.empty(c.shape, c.dtype)
    a, b = (x if _rows_together(x) else cupy.ascontiguousarray(x) for x in (a, b))
    used, bytes_ = winograd(a, b, direct, levels)
    if direct is not c:
        c[...] = direct
    return used, bytes_


def _rows_together(x: Any) -> bool:
    step = np.dtype(x.dtype).itemsize
    return bool(x.strides[1] == step and x.strides[0] >= x.shape[1] * step)
