"""Soft ranks and soft top-k on a device: what `randla._cpu.topk_soft` is to NumPy, alike.

Rows are the first axis of C-contiguous matrices, not empty.  Parameters of rows (k, temperature,
gate) are float64 vectors of one element, or one for each row.  Nothing waits for the device.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from ._launch import NULL, kernel

KINDS = {"fermi": 0, "laplace": 1, "threshold": 2, "shiva": 3}  # as topk_soft.cu has them
VALUES, VJP, JVP = 0, 1, 2
_WORDS = {"float": "uint32_t", "double": "uint64_t"}
VARIANTS = tuple({"REAL": real, "WORD": word} for real, word in _WORDS.items())
_TARGETS, _PAIR_WARPS = 4, 8  # of a warp, and of a block; as topk_soft.cu has them


def rank(x: Any, t: Any, out: Any) -> None:
    """Ranks of the elements of each row."""
    _pairs("topk_soft_ranks", x, (x, x.shape[1], t, _step(t), out))


def rank_vjp(x: Any, t: Any, g: Any, dx: Any, dt: Any) -> None:
    """Gradients by x and, where dt is not None, by the temperature of each row."""
    _slopes(x, t, g, NULL, dx, dt)


def rank_jvp(x: Any, t: Any, dx: Any, dt: Any, out: Any) -> None:
    """Tangents from those of x and of the temperature of each row."""
    _slopes(x, t, dx, dt, out, None)


def soft(kind: int, x: Any, k: Any, t: Any, gate: Any, out: Any) -> None:
    """Weights of the elements of each row."""
    if kind != KINDS["shiva"]:
        _select(kind, VALUES, x, NULL, k, t, NULL, NULL, out, NULL, NULL)
        return
    rank(x, t, out)
    _gate(VALUES, out, NULL, k, gate, NULL, NULL, out, NULL, NULL)


def soft_vjp(
    kind: int, x: Any, k: Any, t: Any, gate: Any, g: Any, dx: Any, dk: Any, dt: Any, dgate: Any
) -> None:
    """Gradients by x and, where they are not None, by k, temperature and gate of each row."""
    if kind != KINDS["shiva"]:
        _select(kind, VJP, x, g, k, t, NULL, NULL, dx, _pointer(dk), _pointer(dt))
        return
    ranks, down = cupy.empty_like(x), cupy.empty_like(x)
    rank(x, t, ranks)
    _gate(VJP, ranks, g, k, gate, NULL, NULL, down, _pointer(dk), _pointer(dgate))
    rank_vjp(x, t, down, dx, dt)


def soft_jvp(
    kind: int, x: Any, k: Any, t: Any, gate: Any, dx: Any, dk: Any, dt: Any, dgate: Any, out: Any
) -> None:
    """Tangents from those of x, and of k, temperature and gate of each row."""
    if kind != KINDS["shiva"]:
        _select(kind, JVP, x, dx, k, t, dk, dt, out, NULL, NULL)
        return
    ranks = cupy.empty_like(x)
    rank(x, t, ranks)
    rank_jvp(x, t, dx, dt, out)
    _gate(JVP, ranks, out, k, gate, dk, dgate, out, NULL, NULL)


# ---- launches ------------------------------------------------------------------------------------


def _slopes(x: Any, t: Any, v: Any, bends: Any, out: Any, dt: Any) -> None:
    rows, n = x.shape
    groups = -(-n // _TARGETS)
    moments = None if dt is None else cupy.empty((rows, groups), np.float64)
    given = (x, v, n, t, _step(t), bends, out, _pointer(moments))
    _pairs("topk_soft_slopes", x, given)
    if dt is not None:
        _rows("topk_soft_moments", x, (moments, groups, t, _step(t), dt), length=groups)


def _select(
    kind: int, mode: int, x: Any, g: Any, k: Any, t: Any, dk: Any, dt: Any, out: Any, *by: Any
) -> None:
    """Kinds with a threshold; dk, dt: tangents; by: gradients by k and t."""
    row = (x, g, x.shape[1], k, _step(k), t, _step(t))
    if kind == KINDS["threshold"]:
        if by[0] is not NULL:
            by[0][...] = 0
        _rows("topk_soft_threshold", x, (mode, *row, dt, out, by[1]))
    else:
        _rows("topk_soft_exact", x, (kind, mode, *row, dk, dt, out, *by))


def _gate(
    mode: int, ranks: Any, g: Any, k: Any, gate: Any, dk: Any, dgate: Any, out: Any, *by: Any
) -> None:
    row = (ranks, g, ranks.shape[1], k, _step(k), gate, _step(gate))
    _rows("topk_soft_gate", ranks, (mode, *row, dk, dgate, out, *by))


def _pairs(name: str, x: Any, args: tuple[Any, ...]) -> None:
    rows, n = x.shape
    blocks = rows * -(-n // (_TARGETS * _PAIR_WARPS))
    _kernel(name, x)((blocks,), (32 * _PAIR_WARPS,), args)


def _rows(name: str, x: Any, args: tuple[Any, ...], length: int = 0) -> None:
    """A block for each row, of threads by its length alone: so are the bits."""
    n = length or x.shape[1]
    threads = 128 if n <= 1024 else 256 if n <= 8192 else 512
    _kernel(name, x)((x.shape[0],), (threads,), args)


def _kernel(name: str, x: Any) -> Any:
    real = "float" if x.dtype.itemsize == 4 else "double"
    return kernel("topk_soft", name, REAL=real, WORD=_WORDS[real])


def _pointer(array: Any) -> Any:
    return NULL if array is None else array


def _step(v: Any) -> int:
    return 0 if v.size == 1 else 1
