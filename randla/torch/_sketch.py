"""Products with sketching operators as an operation of torch.

An operator is a few words.  It is real, so a product with its transpose is the gradient of one with
it, and the tangent is a product with it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._core import dispatch
from ._device import memory, on_gpu, stream
from ._expm import _result, _working
from ._ops import Operation

_ROWS, _COLUMNS = 8, 10  # places in the words of an rl_sketch


def _like(X: Tensor, words: Sequence[int], scale: float, transposed: bool, axis: int) -> Tensor:
    shape = list(X.shape)
    shape[axis] = words[_COLUMNS if transposed else _ROWS]
    return X.new_empty(shape)


def _folded(X: Tensor, axis: int) -> Tensor:
    """Fold into a batch of matrices (b, m, n), with `axis` in the middle."""
    if axis == -1:  # rows of a matrix are columns of its transpose
        return X.reshape(math.prod(X.shape[:-1]), X.shape[-1]).T[None]
    inner = math.prod(X.shape[axis + 1 :])
    return X.reshape(math.prod(X.shape[:axis]), X.shape[axis], inner)


def _contiguous_axis(X: Tensor) -> int:
    """Give 2 where kernels take the rows of matrices, 1 where they take the columns, else 0."""
    _, m, n = X.shape
    if X.stride(2) == 1 and (m == 1 or X.stride(1) >= n):
        return 2
    real = not X.is_complex()
    return int(real and X.stride(1) == 1 and (n == 1 or X.stride(2) >= m))


def _kernel(X: Tensor, words: Sequence[int], scale: float, transposed: bool, axis: int) -> Tensor:
    Y = _like(X, words, scale, transposed, axis)
    if X.numel() == 0 or Y.numel() == 0:
        return Y.zero_()
    given, result = _folded(X.detach().resolve_conj().resolve_neg(), axis), _folded(Y, axis)
    if not _contiguous_axis(given):
        given = given.contiguous()
    along, target = _contiguous_axis(given), result
    if _contiguous_axis(result) != along:  # the kernels take one layout: the smaller one is copied
        b, m, n = result.shape
        target = Y.new_empty((b, m, n)) if along == 2 else Y.new_empty((b, n, m)).mT
    device = on_gpu(X)
    binding = dispatch.backend("cupy" if device else "numpy").sketch
    operator = np.array(words, np.int64).view(np.uint64)
    with stream(X) if device else contextlib.nullcontext():
        x, y = (_memory(_real(M), device) for M in (given, target))
        binding.apply(operator, transposed, x, y, scale, 0.0)
    if target is not result:
        result.copy_(target)
    return Y


def _real(X: Tensor) -> Tensor:
    """Complex matrices as real ones with twice the columns."""
    return torch.view_as_real(X).flatten(-2) if X.is_complex() else X


def _memory(X: Tensor, device: bool) -> Any:
    return memory(X) if device else X.numpy()


def _backward(
    tensors: Sequence[Tensor], constants: Sequence[Any], gradients: Sequence[Tensor], _: Any
) -> tuple[Tensor]:
    words, scale, transposed, axis = constants
    return (_apply(gradients[0], words, scale, not transposed, axis),)


def _jvp(
    tensors: Sequence[Tensor], constants: Sequence[Any], tangents: Sequence[Tensor | None]
) -> Tensor:
    return _apply(tangents[0], *constants)


_apply = Operation(
    "sketch_apply(Tensor X, int[] words, float scale, bool transposed, int axis) -> Tensor",
    1,
    kernel=_kernel,
    on_gpu=_kernel,
    like=_like,
    backward=_backward,
    jvp=_jvp,
)


def sketch_apply(S: Any, A: Tensor, axis: int, transposed: bool) -> Tensor:
    """Apply an operator, or its transpose, along an axis; `S @ tensor` comes here."""
    dtype = A.dtype
    columns = S._columns(None if transposed else A.shape[axis], "S.T")
    words = [x - 2**64 if x >= 2**63 else x for x in S._numbers(columns)]
    X = A.to(_working("A", dtype))
    return _apply(X, words, S.scale, transposed, axis - A.dim()).to(_result(dtype))
