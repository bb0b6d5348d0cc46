"""Least squares as an operation of torch, differentiated by least squares."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import _qr_lstsq
from .._core.random import Stream, as_stream
from ._device import memory, stream
from ._ops import Operation, is_plain

_FLOATING = {
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.float32: torch.float32,
    torch.float64: torch.float64,
    torch.complex64: torch.complex64,
    torch.complex128: torch.complex128,
}
_done = threading.local()  # .result: of the last call of this thread


def _shape(A: Tensor, b: Tensor) -> tuple[int, ...]:
    batch = torch.broadcast_shapes(A.shape[:-2], b.shape[:-2])
    return (*batch, A.shape[-1], b.shape[-1])


def _checked(result: Any, A: Tensor, full: bool) -> Any:
    """The result, if the rank is full where a derivative needs it."""
    least = min(A.shape[-2:])
    if full and (np.asarray(result.rank) < least).any():
        raise np.linalg.LinAlgError(
            f"lstsq has no derivative where A has no full rank: got rank "
            f"{int(np.min(result.rank))} of {least}"
        )
    _done.result = result
    return result


def _options(rcond: float, tol: float, damp: float, method: str) -> Any:
    return _qr_lstsq._Options(None if rcond < 0 else rcond, tol or None, damp, method)


def _kernel(
    A: Tensor, b: Tensor, rcond: float, tol: float, damp: float, method: str, key: int,
    offset: int, full: bool,
) -> Tensor:  # fmt: skip
    x, y = (t.detach().resolve_conj().resolve_neg().numpy() for t in (A, b))
    source = Stream(key % 2**64, offset % 2**64)
    result = _qr_lstsq.dense(x, y, _options(rcond, tol, damp, method), source)
    return torch.from_numpy(np.ascontiguousarray(_checked(result, A, full).x))


def _on_gpu(
    A: Tensor, b: Tensor, rcond: float, tol: float, damp: float, method: str, key: int,
    offset: int, full: bool,
) -> Tensor:  # fmt: skip
    out = torch.empty(_shape(A, b), dtype=A.dtype, device=A.device)
    with stream(A):
        source = Stream(key % 2**64, offset % 2**64)
        options = _options(rcond, tol, damp, method)
        result = _qr_lstsq.reference(memory(A), memory(b), options, source)
        memory(out)[...] = _checked(result, A, full).x
    return out


def _like(A: Tensor, b: Tensor, *constants: Any) -> Tensor:
    return A.new_empty(_shape(A, b))


def _summed(x: Tensor, shape: Sequence[int]) -> Tensor:
    """A gradient of what was broadcast."""
    return x if x.shape == tuple(shape) else x.sum_to_size(tuple(shape))


class _Solves:
    """Solves with A, of full rank, in the terms of which derivatives are."""

    def __init__(self, A: Tensor, constants: Sequence[Any]) -> None:
        rcond, tol, self.damp, method, key, offset, _ = constants
        self.A, self._rest = A, (rcond, tol, self.damp, method, key, offset, True)
        self.wide = A.shape[-2] < A.shape[-1]

    def left(self, b: Tensor) -> Tensor:
        """A^+ b, or (A^H A + damp^2)^-1 A^H b."""
        return _lstsq(self.A, b, *self._rest)

    def right(self, g: Tensor) -> Tensor:
        """The same of A^H."""
        return _lstsq(self.A.mH, g, *self._rest)

    def both(self, g: Tensor, h: Tensor) -> Tensor:
        """(A^H A + damp^2)^-1 g, where h = right(g)."""
        if not self.damp:
            return self.left(h)
        # exact already; the second term takes away what a small damp made of rounding errors
        z = (g - self.A.mH @ h) / self.damp**2
        return z + self.left(h - self.A @ z)

    def multiplier(self, b: Tensor, x: Tensor) -> Tensor:
        """w = (A A^H + damp^2)^-1 b, where x = left(b) = A^H w: `both` of A^H."""
        if not self.damp:
            return self.right(x)
        w = (b - self.A @ x) / self.damp**2
        return w + self.right(x - self.A.mH @ w)


def _backward(
    tensors: Sequence[Tensor],
    constants: Sequence[Any],
    gradients: Sequence[Tensor],
    needed: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradient by b is h = A z, z = (A^H A + damp^2)^-1 g; that by A is r z^H - h x^H.

    Where A is wide, r is small: then the second term is w (g - A^H h)^H, w = (A A^H + damp^2)^-1 b.
    """
    (A, b), (g,) = tensors, gradients
    solves = _Solves(A, constants)
    h = solves.right(g)
    by_b = _summed(h, b.shape) if needed[1] else None
    if not needed[0]:
        return None, by_b
    x = solves.left(b)
    by_A = -h @ x.mH
    if solves.wide:
        by_A = by_A + solves.multiplier(b, x) @ (g - A.mH @ h).mH
    else:
        by_A = by_A + (b - A @ x) @ solves.both(g, h).mH
    return _summed(by_A, A.shape), by_b


def _jvp(
    tensors: Sequence[Tensor], constants: Sequence[Any], tangents: Sequence[Tensor | None]
) -> Tensor:
    (A, b), (dA, db) = tensors, tangents
    solves = _Solves(A, constants)
    if dA is None:
        if db is None:
            return torch.zeros_like(solves.left(b))
        return solves.left(db)
    x = solves.left(b)
    change = -dA @ x if db is None else db - dA @ x
    slope = solves.left(change)
    if solves.wide:
        v = dA.mH @ solves.multiplier(b, x)
        return slope + v - solves.left(A @ v)
    g = dA.mH @ (b - A @ x)
    return slope + solves.both(g, solves.right(g))


_lstsq = Operation(
    "lstsq(Tensor a, Tensor b, float rcond, float tol, float damp, str method, int key, "
    "int offset, bool full_rank) -> Tensor",
    2,
    kernel=_kernel,
    on_gpu=_on_gpu,
    like=_like,
    backward=_backward,
    jvp=_jvp,
)


def _signed(word: int) -> int:
    """64 bits as the integers of a graph have them."""
    return word - 2**64 if word >= 2**63 else word


def lstsq(
    A: Tensor,
    b: Tensor,
    *,
    rcond: float | None = None,
    tol: float | None = None,
    damp: float = 0.0,
    method: str = "auto",
    rng: Any = None,
) -> Any:
    """Least squares: `randla.lstsq`, and derivatives of every order.

    Parameters
    ----------
    A, b : Tensor
        Of one dtype and on one device; shapes as for `randla.lstsq`.
    rcond, tol, damp, method : optional
        As for `randla.lstsq`.
    rng : optional
        As for `randla.lstsq`; in traced code an int or a Stream.

    Returns
    -------
    LstsqResult
        ``x, residual_norm``; the attributes ``rank`` and ``info`` are None in traced code and under
        transforms.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As `randla.lstsq`; also for tensors of different dtypes or devices.  A derivative raises
        LinAlgError where A, or with a penalty the matrix with its rows, has no full rank.

    Notes
    -----
    With ``z = (A^H A + damp^2)^-1 g``, r = b - A x, the gradients are ``A z`` for b and
    ``r z^H - A z x^H`` for A: a backward pass takes three solves, by the same method.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], requires_grad=True)
    >>> x, residual_norm = randla.torch.lstsq(A, torch.tensor([3.0, 4.0, 5.0]))
    >>> x.detach()
    tensor([3., 2.])
    >>> torch.autograd.grad(x.sum(), A)[0]
    tensor([[-3.0000, -2.0000],
            [-1.5000, -1.0000],
            [ 5.0000,  1.2500]])
    """
    for name, x in (("A", A), ("b", b)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name} must be a tensor like the other, got {type(x).__name__}")
    if A.dtype != b.dtype:
        raise TypeError(f"tensors must have one dtype, got {A.dtype} for A and {b.dtype} for b")
    if A.device != b.device:
        raise ValueError(f"tensors must be on one device, got {A.device} and {b.device}")
    options = _qr_lstsq._Options(rcond, tol, damp, method)
    vector = _qr_lstsq._sizes(tuple(A.shape), tuple(b.shape))[3]
    source = as_stream(rng)
    dtype = A.dtype if A.dtype.is_floating_point or A.dtype.is_complex else torch.float64
    working = _FLOATING.get(dtype, dtype)
    M, B = A.to(working), b.to(working)
    B = B.unsqueeze(-1) if vector else B
    tracing = torch.compiler.is_compiling()
    if not tracing:
        _done.result = None
    X = _lstsq(
        M, B, -1.0 if options.rcond is None else options.rcond, options.tol, options.damp, method,
        _signed(source.key), _signed(source.offset), False,
    )  # fmt: skip
    done = None if tracing or not is_plain(X) else _done.result
    if done is not None and not X.requires_grad and X.device.type == "cpu":
        r_norm = torch.from_numpy(np.ascontiguousarray(done.residual_norm))
    else:
        r_norm = torch.linalg.vector_norm(B - M @ X, dim=-2)
    if vector:
        X, r_norm = X.squeeze(-1), r_norm.squeeze(-1)
    rank, info = (None, None) if done is None else (done.rank, done.info)
    r_norm = r_norm if dtype.is_complex else r_norm.to(dtype)
    return _qr_lstsq.LstsqResult(X.to(dtype), r_norm, rank=rank, info=info)
