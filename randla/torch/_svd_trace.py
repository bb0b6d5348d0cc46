"""Estimates of traces and norms of tensors, with the gradients of what they estimate.

An estimate is an operation without a derivative.  Where one is wanted, the quantity itself is added
and taken away again: by torch's own operations it has every derivative, in every mode.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import _svd_trace
from .._core.random import Stream
from ._ops import Constant, is_plain
from ._svd import _array, _on_device, _place, _tensor, _working, narrowed, randomized_svd

_EXACT = 64  # sides up to which "auto" is exact
_done = threading.local()  # .info: what the last estimate of this thread did


def _like(A: Tensor, *_: Any) -> Tensor:
    return A.new_empty((*A.shape[:-2], 2))


def _kernel(A: Tensor, what: str, how: str, budget: int, key: int, offset: int) -> Tensor:
    """Value and error, side by side."""
    origin = Stream(key % 2**64, offset % 2**64)
    with _on_device(A):
        order: Any = 2 if how == "2" else how
        # sums over all entries go as these lie
        plain = A.contiguous() if how == "fro" else A
        result = _svd_trace._estimate(_array(plain), budget, origin, what, order)
        pair = _like(A)
        for j, part in enumerate(result):
            host = isinstance(part, (np.ndarray, np.generic))
            pair[..., j] = torch.as_tensor(part) if host else _tensor(part)
    _done.info = result.info
    return pair


_estimate = Constant(
    "svd_trace(Tensor A, str what, str how, int budget, int key, int offset) -> Tensor",
    kernel=_kernel,
    like=_like,
)


def _call(A: Tensor, what: str, how: str, budget: int, rng: Any, quantity: Any) -> Any:
    """The result, whose value has the derivatives of `quantity`."""
    working, dtype = _working(A)
    X = A.to(working)
    _done.info = None
    pair = _estimate(X, what, how, budget, *_place(rng))
    value, error = pair[..., 0], pair[..., 1]
    if X.is_complex():
        error = error.real
        value = value.real if what == "norm" else value
    info = None if torch.compiler.is_compiling() or not is_plain(pair) else _done.info
    if (torch.is_grad_enabled() and X.requires_grad) or not is_plain(X):
        exact = quantity(X)
        value = value + (exact - exact.detach())
    real = error.dtype if dtype.is_complex else dtype
    value = narrowed(value, real if what == "norm" else dtype)
    return _svd_trace.EstimateResult(value, narrowed(error, real), info=info)


def _checked(A: Tensor, what: str) -> None:
    if not isinstance(A, Tensor):
        raise TypeError(f"A must be a tensor, got {type(A).__name__}")
    _svd_trace._shape(what, A.shape)


def trace_estimate(A: Tensor, *, method: str = "xtrace", budget: int = 60, rng: Any = None) -> Any:
    """Trace of tensors by products with vectors: `randla.trace_estimate`, differentiable.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        Dense, on the CPU or a GPU.
    method : str, default "xtrace"
        As for `randla.trace_estimate`.
    budget : int, default 60
        Most products with one vector.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the vectors.  In traced code an int or a Stream.

    Returns
    -------
    EstimateResult
        ``value, error``; the error has no derivative.  ``info`` is None in traced code and under
        transforms.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As `randla.trace_estimate`.

    Notes
    -----
    The gradient is that of the trace, not of the estimate: the identity, without noise.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A = torch.eye(3).requires_grad_()
    >>> value, error = randla.torch.trace_estimate(A)
    >>> value.backward()
    >>> A.grad.diag()
    tensor([1., 1., 1.])
    """
    _checked(A, "trace")
    count = _svd_trace.checked_method(method, budget)
    return _call(A, "trace", method, count, rng, _trace)


def norm_estimate(A: Tensor, ord: int | str = 2, *, budget: int = 60, rng: Any = None) -> Any:
    """2-norm or Frobenius norm of tensors: `randla.norm_estimate`, differentiable.

    Parameters
    ----------
    A : Tensor, shape (..., m, n)
        Dense, on the CPU or a GPU.
    ord : {2, "fro"}, default 2
        The largest singular value, or the root of the sum of their squares.
    budget : int, default 60
        Most products with one vector.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the vectors.  In traced code an int or a Stream.

    Returns
    -------
    EstimateResult
        ``value, error``; the error has no derivative.  ``info`` is None in traced code and under
        transforms.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As `randla.norm_estimate`.

    Notes
    -----
    The gradient of the 2-norm is that of the singular value that `randla.torch.randomized_svd`
    finds, ``u v^H``: a decomposition of rank 1 beside the estimate, where a gradient is wanted.
    That of the Frobenius norm is torch's own, 0 at 0.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A = torch.diag(torch.tensor([3.0, 4.0])).requires_grad_()
    >>> value, error = randla.torch.norm_estimate(A)
    >>> value.backward()
    >>> A.grad.diag()
    tensor([0., 1.])
    """
    _checked(A, "norm")
    order, count = _svd_trace.checked_order(ord, budget)
    place = Stream(*(x % 2**64 for x in _place(rng)))  # one draw serves both

    def largest(X: Tensor) -> Tensor:
        # as the estimate: exact if A is small, else by what converges where values are close
        how = "auto" if min(X.shape[-2:]) <= _EXACT else "krylov"
        S: Tensor = randomized_svd(X, 1, method=how, rng=place).S[..., 0]
        return S

    quantity = largest if order == 2 else _frobenius
    return _call(A, "norm", str(order), count, place, quantity)


def _trace(A: Tensor) -> Tensor:
    return A.diagonal(dim1=-2, dim2=-1).sum(-1)


def _frobenius(A: Tensor) -> Tensor:
    """The norm; squares must not leave the range."""
    largest = A.detach().abs().amax((-2, -1), keepdim=True)
    unit = torch.where(largest > 0, largest, 1.0)
    return torch.linalg.matrix_norm(A / unit) * unit[..., 0, 0]
