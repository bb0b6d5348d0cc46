"""TensorSketch as an operation of torch.

Factor g reads the columns ``starts[g] ... starts[g] + lengths[g] - 1`` of one tensor x (..., M):
the same ones for all factors, or those of factors that stand side by side.  The map is linear in
each factor, so its tangent is a sum of such maps of ``cat(x, dx)``, and derivatives of every order
are made of the two operations.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .._core import dispatch
from ._device import memory, on_gpu, stream
from ._ops import Operation

_REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
)  # fmt: skip


def _signed(word: int) -> int:
    """A word of 64 bits as torch knows integers."""
    return word - (1 << 64) if word >> 63 else word


def _arrays(x: Tensor) -> Any:
    x = x.detach()
    return memory(x) if on_gpu(x) else x.numpy()


def _call(
    x: Tensor,
    v: Tensor | None,
    starts: Sequence[int],
    lengths: Sequence[int],
    constants: Sequence[float],
    result: Tensor,
    scale: float,
    words: tuple[int, ...],
) -> Tensor:
    """Let kernels write y, or with a gradient v by it the one by x, into a contiguous result."""
    if x.numel() == 0 or (v is not None and v.numel() == 0) or result.numel() == 0:
        return result.zero_()
    binding = dispatch.backend("cupy" if on_gpu(x) else "numpy").sketch_tensor
    key, offset = (word % (1 << 64) for word in words)
    with stream(x) if on_gpu(x) else contextlib.nullcontext():
        samples = _arrays(x.reshape(-1, x.shape[-1]))
        columns = [slice(s, s + n) for s, n in zip(starts, lengths, strict=True)]
        again = [g > 0 and columns[g] == columns[g - 1] for g in range(len(columns))]
        xs = [None if a else samples[:, c] for a, c in zip(again, columns, strict=True)]
        if v is None:
            y = _arrays(result.view(-1, result.shape[-1]))
            binding.apply(key, offset, xs, scale, list(constants), y)
            return result
        whole = result.zero_().view(-1, x.shape[-1])
        parts = [None if a else torch.empty_like(whole[:, c]) for a, c in zip(again, columns)]  # noqa: B905
        gs = [None if part is None else _arrays(part) for part in parts]
        grad = _arrays(v.reshape(-1, v.shape[-1]))
        binding.vjp(key, offset, xs, scale, list(constants), grad, gs)
        for part, c in zip(parts, columns, strict=True):
            if part is not None:
                whole[:, c] += part
    return result


def _sketch_like(
    x: Tensor, starts: Any, lengths: Any, constants: Any, d: int, scale: float, *words: int
) -> Tensor:
    return x.new_empty((*x.shape[:-1], d))


def _sketch_kernel(
    x: Tensor, starts: Any, lengths: Any, constants: Any, d: int, scale: float, *words: int
) -> Tensor:
    y = _sketch_like(x, starts, lengths, constants, d, scale)
    return _call(x, None, starts, lengths, constants, y, scale, words)


def _adjoint_like(
    x: Tensor, v: Tensor, starts: Any, lengths: Any, constants: Any, scale: float, *words: int
) -> Tensor:
    shape = torch.broadcast_shapes(x.shape[:-1], v.shape[:-1])
    return x.new_empty((*shape, x.shape[-1]))


def _adjoint_kernel(
    x: Tensor, v: Tensor, starts: Any, lengths: Any, constants: Any, scale: float, *words: int
) -> Tensor:
    gx = _adjoint_like(x, v, starts, lengths, constants, scale)
    x, v = x.expand(gx.shape), v.expand(*gx.shape[:-1], v.shape[-1])
    return _call(x, v, starts, lengths, constants, gx, scale, words)


def _tangents(
    x: Tensor, dx: Tensor, starts: Any, constants: Any
) -> tuple[Tensor, list[tuple[list[int], list[float]]]]:
    """cat(x, dx), and for each factor the map in which dx stands for it: where, and constants."""
    both = torch.cat(torch.broadcast_tensors(x, dx), dim=-1)
    width = x.shape[-1]
    terms = []
    for g in range(len(starts)):
        moved, kept = list(starts), list(constants)
        moved[g] += width
        kept[g] = 0.0
        terms.append((moved, kept))
    return both, terms


def _sketch_jvp(x: Tensor, dx: Tensor, constants: Sequence[Any]) -> Tensor:
    starts, lengths, features, *rest = constants
    both, terms = _tangents(x, dx, starts, features)
    parts = [_sketch(both, moved, lengths, kept, *rest) for moved, kept in terms]
    return sum(parts[1:], start=parts[0])


def _sketch_jvp_of(
    tensors: Sequence[Tensor], constants: Sequence[Any], tangents: Sequence[Tensor | None]
) -> Tensor:
    assert tangents[0] is not None  # the only tensor
    return _sketch_jvp(tensors[0], tangents[0], constants)


def _hessian(x: Tensor, v: Tensor, dx: Tensor, constants: Sequence[Any]) -> Tensor:
    """The derivative of the adjoint by x, in the direction dx; symmetric."""
    starts, lengths, features, *rest = constants
    both, terms = _tangents(x, dx, starts, features)
    parts = [_adjoint(both, v, moved, lengths, kept, *rest) for moved, kept in terms]
    return sum(parts[1:], start=parts[0])[..., : x.shape[-1]]


def _sketch_backward(
    tensors: Sequence[Tensor],
    constants: Sequence[Any],
    gradients: Sequence[Tensor],
    needed: Sequence[bool],
) -> tuple[Tensor | None]:
    starts, lengths, features, _, *rest = constants
    if not needed[0]:
        return (None,)
    return (_adjoint(tensors[0], gradients[0], starts, lengths, features, *rest),)


def _adjoint_backward(
    tensors: Sequence[Tensor],
    constants: Sequence[Any],
    gradients: Sequence[Tensor],
    needed: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    (x, v), (h,) = tensors, gradients
    starts, lengths, features, *rest = constants
    by_x = _hessian(x, v, h, constants).sum_to_size(x.shape) if needed[0] else None
    by_v = None
    if needed[1]:
        full = (starts, lengths, features, v.shape[-1], *rest)
        by_v = _sketch_jvp(x, h, full).sum_to_size(v.shape)
    return by_x, by_v


def _adjoint_jvp(
    tensors: Sequence[Tensor], constants: Sequence[Any], tangents: Sequence[Tensor | None]
) -> Tensor:
    (x, v), (dx, dv) = tensors, tangents
    total = None if dv is None else _adjoint(x, dv, *constants)
    if dx is not None:
        part = _hessian(x, v, dx, constants)
        total = part if total is None else total + part
    assert total is not None  # autograd asks where there is a tangent
    return total


_FACTORS = "int[] starts, int[] lengths, float[] constants"
_sketch = Operation(
    f"tensor_sketch(Tensor x, {_FACTORS}, int d, float scale, int key, int offset) -> Tensor",
    1,
    kernel=_sketch_kernel,
    on_gpu=_sketch_kernel,
    like=_sketch_like,
    backward=_sketch_backward,
    jvp=_sketch_jvp_of,
)
_adjoint = Operation(
    f"tensor_sketch_adjoint(Tensor x, Tensor v, {_FACTORS}, float scale, int key, int offset)"
    " -> Tensor",
    2,
    kernel=_adjoint_kernel,
    on_gpu=_adjoint_kernel,
    like=_adjoint_like,
    backward=_adjoint_backward,
    jvp=_adjoint_jvp,
)


def tensor_sketch_apply(S: Any, xs: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
    """``S.apply(x)``, or ``S.apply_factors(*xs)``, of a TensorSketch S, for tensors that fit it."""
    dtype = xs[0].dtype
    for x in xs:
        if x.dtype not in _REAL + _INTEGERS:
            raise TypeError(f"X has dtype {x.dtype}; expected real numbers")
        if x.dtype != dtype or x.device != xs[0].device:
            raise TypeError(
                f"tensors must have one dtype and device, got {dtype} on {xs[0].device} and "
                f"{x.dtype} on {x.device}"
            )
    if dtype in _INTEGERS:
        dtype = torch.float64
    computed = dtype if dtype in (torch.float32, torch.float64) else torch.float32
    rows = [x.movedim(axis, -1).to(computed) for x, axis in zip(xs, axes, strict=True)]
    starts, at = [], 0
    for length in S.lengths:
        starts.append(at)
        at += length if len(xs) > 1 else 0
    x = torch.cat(rows, dim=-1) if len(rows) > 1 else rows[0]
    constants = [S._constant] * S.degree
    words = (_signed(S.stream.key), _signed(S.stream.offset))
    y = _sketch(x, starts, list(S.lengths), constants, S.d, S._scale, *words)
    return y.movedim(-1, axes[0]).to(dtype)
