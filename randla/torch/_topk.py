"""Top-k selection as operations of torch.

The operations give indices, which have no derivative; values are gathered at them by torch itself,
whose derivatives of every order are those of the selection.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import randla

from .._core import dispatch, validate
from ._device import memory, on_gpu, stream
from ._ops import Constant, is_plain

_NAMES = {
    getattr(torch, name): name
    for name in (
        "float16", "bfloat16", "float32", "float64", "bool", "int8", "int16", "int32", "int64",
        "uint8", "uint16", "uint32", "uint64",
    )
}  # fmt: skip
_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}
_NAN = ("greatest", "least", "raise", "propagate")


# ---- kernels -------------------------------------------------------------------------------------


def _memory(x: Tensor) -> Any:
    """The memory of a tensor as an array of NumPy or CuPy; what these may not know, as integers."""
    as_integers = {torch.bfloat16: torch.int16, torch.bool: torch.uint8}.get(x.dtype)
    x = x.detach() if as_integers is None else x.detach().view(as_integers)
    return memory(x) if on_gpu(x) else x.numpy()


def _run(
    x: Tensor,
    k: int,
    largest: bool,
    sorted: bool,
    nan: str,
    lengths: Tensor | None,
    values: Tensor | None,
    indices: Tensor,
    kth: bool = False,
) -> None:
    """Let kernels write the selection of each row of x (..., n) into contiguous tensors."""
    if indices.numel() == 0:
        return
    binding = dispatch.backend("cupy" if on_gpu(x) else "numpy").topk
    flags = binding.NAN[nan]
    if not largest:
        flags |= binding.SMALLEST
    if sorted:
        flags |= binding.SORTED
    with stream(x) if on_gpu(x) else contextlib.nullcontext():
        matrix = _memory(x.reshape(-1, x.shape[-1]))
        if x.dtype == torch.bfloat16:
            matrix = matrix.view(np.uint16)
        limits = None if lengths is None else _memory(lengths.contiguous())
        out = (None if values is None else _memory(values), _memory(indices))
        try:
            binding.topk(binding.TYPES[_NAMES[x.dtype]], matrix, k, limits, *out, flags, kth)
        except binding.FoundNaN as found:
            validate.no_nan("x", tuple(x.shape[:-1]), found.args[0])


def _indices_like(
    x: Tensor, k: int, largest: bool, sorted: bool, nan: str, lengths: Tensor | None
) -> Tensor:
    return x.new_empty((*x.shape[:-1], k), dtype=torch.int64)


def _indices_kernel(
    x: Tensor, k: int, largest: bool, sorted: bool, nan: str, lengths: Tensor | None
) -> Tensor:
    indices = _indices_like(x, k, largest, sorted, nan, lengths)
    _run(x, k, largest, sorted, nan, lengths, None, indices)
    return indices


def _kth_like(x: Tensor, k: int, largest: bool, nan: str, lengths: Tensor | None) -> Tensor:
    return x.new_empty((*x.shape[:-1], 1), dtype=torch.int64)


def _kth_kernel(x: Tensor, k: int, largest: bool, nan: str, lengths: Tensor | None) -> Tensor:
    index = _kth_like(x, k, largest, nan, lengths)
    _run(x, k, largest, False, nan, lengths, None, index, kth=True)
    return index


def _rest_like(selected: Tensor, n: int) -> Tensor:
    return selected.new_empty((*selected.shape[:-1], n - selected.shape[-1]))


def _rest_kernel(selected: Tensor, n: int) -> Tensor:
    rest, k = _rest_like(selected, n), selected.shape[-1]
    if rest.numel() == 0:
        return rest
    if k == 0:
        rest[:] = torch.arange(n, device=rest.device)
        return rest
    binding = dispatch.backend("cupy" if on_gpu(selected) else "numpy").topk
    with stream(selected) if on_gpu(selected) else contextlib.nullcontext():
        ascending = _memory(selected.contiguous().reshape(-1, k))
        binding.rest(ascending, _memory(rest.view(-1, n - k)))
    return rest


_OPTIONS = "str nan, Tensor? lengths"
_indices = Constant(
    f"topk_indices(Tensor x, int k, bool largest, bool sorted, {_OPTIONS}) -> Tensor",
    kernel=_indices_kernel,
    like=_indices_like,
)
_kth = Constant(
    f"topk_kth(Tensor x, int k, bool largest, {_OPTIONS}) -> Tensor",
    kernel=_kth_kernel,
    like=_kth_like,
)
_rest = Constant(
    "topk_rest(Tensor selected, int n) -> Tensor", kernel=_rest_kernel, like=_rest_like
)


# ---- arguments -----------------------------------------------------------------------------------


def _checked(
    x: Tensor, k: Any, dim: Any, nan: str, lengths: Any, fewest: int = 0
) -> tuple[Tensor, int, int, Tensor | None]:
    """Give x with `dim` last, k, dim counted from 0, and lengths as a tensor."""
    if x.dtype not in _NAMES:
        raise TypeError(
            f"x has dtype {x.dtype}; expected float16, bfloat16, float32, float64, an integer type "
            f"or bool"
        )
    where = validate.axis(dim, x.dim(), "x")
    n = x.shape[where]
    k = validate.integer("k", k)
    validate.inside("k", k, fewest, n)
    validate.option("nan", nan, _NAN)
    moved = x if where == x.dim() - 1 else x.movedim(where, -1)
    limits = None if lengths is None else _lengths(lengths, moved, k, n)
    return moved, k, where, limits


def _lengths(lengths: Any, x: Tensor, k: int, n: int) -> Tensor:
    given = lengths if isinstance(lengths, Tensor) else torch.as_tensor(lengths)
    if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
        raise TypeError(f"lengths must be integers, got dtype {given.dtype}")
    if given.shape != x.shape[:-1]:
        raise ValueError(f"lengths must have shape {tuple(x.shape[:-1])}, got {tuple(given.shape)}")
    if given.numel() and not torch.compiler.is_compiling() and is_plain(given):
        fewest, most = int(given.min()), int(given.max())
        validate.inside("lengths", fewest, 0, n)
        validate.inside("lengths", most, 0, n)
        validate.inside("k", k, 0, fewest, " (the smallest of lengths)")
    return given.to(x.device, torch.int64)


def _index_type(given: Any, n: int) -> torch.dtype:
    name = "int64" if given is None else str(given).rpartition(".")[2]
    if given is not None and not isinstance(given, torch.dtype):
        with contextlib.suppress(TypeError):
            name = np.dtype(given).name
    if name not in ("int64", "int32"):
        raise ValueError(f"index_dtype must be int64 or int32, got {given!r}")
    if name == "int32" and n > 2**31:
        raise ValueError(f"index_dtype int32 is for axes up to 2**31 elements, got {n}")
    return torch.int64 if name == "int64" else torch.int32


def _back(a: Tensor, dim: int) -> Tensor:
    return a if dim == a.dim() - 1 else a.movedim(-1, dim)


def _gathered(x: Tensor, indices: Tensor, nan: str, lengths: Tensor | None) -> Tensor:
    """Values of x (..., n) at indices."""
    signed = _SIGNED.get(x.dtype)  # torch gathers no unsigned integers beyond uint8
    values = x.gather(-1, indices) if signed is None else x.view(signed).gather(-1, indices)
    values = values if signed is None else values.view(x.dtype)
    if nan == "propagate" and x.is_floating_point():
        missing = x.isnan()
        if lengths is not None:
            missing &= torch.arange(x.shape[-1], device=x.device) < lengths.unsqueeze(-1)
        values = values.masked_fill(missing.any(-1, keepdim=True), math.nan)
    return values


# ---- public --------------------------------------------------------------------------------------


def topk(
    x: Tensor,
    k: int,
    *,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    nan: str = "greatest",
    lengths: Any = None,
    index_dtype: Any = None,
) -> randla.TopKResult:
    """Find the k largest or smallest elements along a dimension: `randla.topk` for tensors.

    Parameters
    ----------
    x : Tensor
        Real numbers, of any strides, on the CPU or a GPU.
    k : int
        How many, from 0 to the length of the dimension.
    dim : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    sorted : bool, default True
        Best first, or by ascending index.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `randla.topk`.
    lengths : Tensor or array_like of int, optional
        How many elements of each row exist; not checked in compiled code.
    index_dtype : dtype, optional
        Either int64 (the default) or int32.

    Returns
    -------
    TopKResult
        ``values, indices``; values are differentiable to every order.

    Raises
    ------
    ValueError, TypeError
        As `randla.topk`.
    ImportError
        For a tensor on a GPU, without CuPy.

    Examples
    --------
    >>> import torch, randla.torch
    >>> x = torch.tensor([5.0, 1.0, 5.0, 7.0], requires_grad=True)
    >>> values, indices = randla.torch.topk(x, 2)
    >>> indices  # of equal elements, that of lowest index
    tensor([3, 0])
    >>> values.sum().backward()
    >>> x.grad
    tensor([1., 0., 0., 1.])
    """
    moved, k, where, limits = _checked(x, k, dim, nan, lengths)
    index_type = _index_type(index_dtype, moved.shape[-1])
    largest, sorted = bool(largest), bool(sorted)
    if not torch.compiler.is_compiling() and is_plain(x) and not _wants_graph(x):
        values = moved.new_empty((*moved.shape[:-1], k))
        indices = torch.empty(values.shape, dtype=index_type, device=x.device)
        _run(moved, k, largest, sorted, nan, limits, values, indices)
    else:
        indices = _indices(moved, k, largest, sorted, nan, limits)
        values = _gathered(moved, indices, nan, limits)
    return randla.TopKResult(_back(values, where), _back(indices, where).to(index_type))


def _wants_graph(x: Tensor) -> bool:
    return torch.is_grad_enabled() and x.requires_grad


def topk_values(
    x: Tensor,
    k: int,
    *,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    nan: str = "greatest",
    lengths: Any = None,
) -> Tensor:
    """Values of `topk`, differentiable to every order.

    Parameters
    ----------
    x : Tensor
        As for `topk`.
    k : int
        How many.
    dim : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    sorted : bool, default True
        Best first, or by ascending index.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `randla.topk`.
    lengths : Tensor or array_like of int, optional
        How many elements of each row exist; not checked in compiled code.

    Returns
    -------
    Tensor
        With k elements along `dim`.

    Examples
    --------
    >>> import torch, randla.torch
    >>> randla.torch.topk_values(torch.tensor([3, 1, 4, 1, 5, 9]), 3)
    tensor([9, 5, 4])
    """
    found = topk(x, k, dim=dim, largest=largest, sorted=sorted, nan=nan, lengths=lengths)
    return found.values


def topk_indices(
    x: Tensor,
    k: int,
    *,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    nan: str = "greatest",
    lengths: Any = None,
    index_dtype: Any = None,
) -> Tensor:
    """Indices of `topk`, which have no derivative.

    Parameters
    ----------
    x : Tensor
        As for `topk`.
    k : int
        How many.
    dim : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    sorted : bool, default True
        Best first, or by ascending index.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `randla.topk`.
    lengths : Tensor or array_like of int, optional
        How many elements of each row exist; not checked in compiled code.
    index_dtype : dtype, optional
        Either int64 (the default) or int32.

    Returns
    -------
    Tensor of int64 or int32
        With k elements along `dim`.

    Examples
    --------
    >>> import torch, randla.torch
    >>> randla.torch.topk_indices(torch.tensor([3, 1, 4, 1, 5, 9]), 3, sorted=False)
    tensor([2, 4, 5])
    """
    moved, k, where, limits = _checked(x, k, dim, nan, lengths)
    indices = _indices(moved, k, bool(largest), bool(sorted), nan, limits)
    return _back(indices, where).to(_index_type(index_dtype, moved.shape[-1]))


def topk_mask(
    x: Tensor,
    k: int,
    *,
    dim: int = -1,
    largest: bool = True,
    nan: str = "greatest",
    lengths: Any = None,
) -> Tensor:
    """Mark the k largest or smallest elements along a dimension.

    Parameters
    ----------
    x : Tensor
        As for `topk`.
    k : int
        How many.
    dim : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `randla.topk`.
    lengths : Tensor or array_like of int, optional
        How many elements of each row exist; not checked in compiled code.

    Returns
    -------
    Tensor of bool
        Of the shape of `x`: exactly k times True along `dim`.

    See Also
    --------
    straight_through_topk : The same as numbers, with a gradient.

    Examples
    --------
    >>> import torch, randla.torch
    >>> randla.torch.topk_mask(torch.tensor([3, 1, 4, 1, 5, 9]), 3)
    tensor([False, False,  True, False,  True,  True])
    """
    moved, k, where, limits = _checked(x, k, dim, nan, lengths)
    indices = _indices(moved, k, bool(largest), False, nan, limits)
    # from x, not new: under vmap it must have x's hidden dimension
    mask = torch.zeros_like(moved.detach(), dtype=torch.bool).scatter(-1, indices, True)
    return _back(mask, where)


def kth_value(
    x: Tensor,
    k: int,
    *,
    dim: int = -1,
    largest: bool = True,
    nan: str = "greatest",
    lengths: Any = None,
) -> Tensor:
    """Find the k-th largest or smallest element along a dimension, differentiably.

    Parameters
    ----------
    x : Tensor
        As for `topk`.
    k : int
        Which one, counted from 1.
    dim : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `randla.topk`.
    lengths : Tensor or array_like of int, optional
        How many elements of each row exist; not checked in compiled code.

    Returns
    -------
    Tensor
        Of the shape of `x` without `dim`.

    Examples
    --------
    >>> import torch, randla.torch
    >>> randla.torch.kth_value(torch.tensor([3, 1, 4, 1, 5, 9]), 2)
    tensor(5)
    """
    moved, k, _, limits = _checked(x, k, dim, nan, lengths, fewest=1)
    index = _kth(moved, k, bool(largest), nan, limits)
    return _gathered(moved, index, nan, limits).squeeze(-1)


def partition_indices(
    x: Tensor,
    k: int,
    *,
    dim: int = -1,
    largest: bool = True,
    nan: str = "greatest",
    index_dtype: Any = None,
) -> randla.PartitionResult:
    """Split the indices along a dimension into those of the k best elements and all others.

    Parameters
    ----------
    x : Tensor
        As for `topk`.
    k : int
        How many.
    dim : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `randla.topk`.
    index_dtype : dtype, optional
        Either int64 (the default) or int32.

    Returns
    -------
    PartitionResult
        ``selected, rejected``, both ascending.

    Examples
    --------
    >>> import torch, randla.torch
    >>> randla.torch.partition_indices(torch.tensor([3, 1, 4, 1, 5, 9]), 2).rejected
    tensor([0, 1, 2, 3])
    """
    moved, k, where, _ = _checked(x, k, dim, nan, None)
    index_type = _index_type(index_dtype, moved.shape[-1])
    selected = _indices(moved, k, bool(largest), False, nan, None)
    rejected = _rest(selected, moved.shape[-1])
    return randla.PartitionResult(
        *(_back(part, where).to(index_type) for part in (selected, rejected))
    )


def merge_topk(
    results: Sequence[tuple[Tensor, Tensor]],
    k: int,
    *,
    offsets: Sequence[int] | None = None,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    nan: str = "greatest",
) -> randla.TopKResult:
    """Join the results of `topk` for blocks of one tensor into that for the whole.

    Parameters
    ----------
    results : sequence of (values, indices)
        As for `randla.merge_topk`.
    k : int
        How many.
    offsets : sequence of int, optional
        What the indices of each block count from in the whole.
    dim : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    sorted : bool, default True
        Best first, or by ascending index.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `randla.topk`.

    Returns
    -------
    TopKResult
        ``values, indices``, what `topk` of the whole gives.

    Examples
    --------
    >>> import torch, randla.torch
    >>> x = torch.tensor([3, 1, 4, 1, 5, 9])
    >>> blocks = [randla.torch.topk(part, 2) for part in x.split(3)]
    >>> randla.torch.merge_topk(blocks, 2, offsets=[0, 3]).indices
    tensor([5, 4])
    """
    return randla.merge_topk(
        results, k, offsets=offsets, axis=dim, largest=largest, sorted=sorted, nan=nan
    )
