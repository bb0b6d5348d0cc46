"""Fast matrix multiplication as an operation of torch, differentiated by itself."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import randla

from .. import _matmul
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
_CHARS = {torch.float32: "f", torch.float64: "d", torch.complex64: "F", torch.complex128: "D"}
_NAMES = frozenset(("auto", "classical", "3m", *(s.name for s in randla.matmul_schemes())))
_done = threading.local()  # .info: what the last product of this thread did


def _shape(a: Tensor, b: Tensor) -> tuple[int, ...]:
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (*batch, a.shape[-2], b.shape[-1])


def _kernel(a: Tensor, b: Tensor, algorithm: str, levels: int) -> Tensor:
    if _classical(a, b, algorithm, levels):
        _done.info = None
        return torch.matmul(a, b)
    x, y = (t.detach().resolve_conj().resolve_neg().numpy() for t in (a, b))
    c = torch.empty(_shape(a, b), dtype=a.dtype)
    count = None if levels < 0 else levels
    _, _done.info = _matmul.dense(x, y, algorithm, count, c.numpy(), False, True)
    return c


def _on_gpu(a: Tensor, b: Tensor, algorithm: str, levels: int) -> Tensor:
    if _classical(a, b, algorithm, levels):
        return torch.matmul(a, b)
    c = torch.empty(_shape(a, b), dtype=a.dtype, device=a.device)
    with stream(a):
        x, y, z = memory(a), memory(b), memory(c)
        randla.matmul(x, y, algorithm=algorithm, levels=None if levels < 0 else levels, out=z)
    return c


def _classical(a: Tensor, b: Tensor, algorithm: str, levels: int) -> bool:
    """Whether torch's own product serves: nothing else is known to be faster."""
    if algorithm == "classical" or levels == 0 or 0 in (*a.shape, *b.shape):
        return True
    if algorithm != "auto" or levels > 0:
        return False
    side = min(a.shape[-2], a.shape[-1], b.shape[-1])
    return a.device.type != "cpu" or side < _matmul.least_side(_CHARS[a.dtype])


def _summed(x: Tensor, shape: Sequence[int]) -> Tensor:
    """A gradient of what was broadcast."""
    return x if x.shape == tuple(shape) else x.sum_to_size(tuple(shape))


def _backward(
    tensors: Sequence[Tensor],
    constants: Sequence[Any],
    gradients: Sequence[Tensor],
    needed: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:
    (a, b), (g,) = tensors, gradients
    by_a = _product(g, b.mH, *constants) if needed[0] else None
    by_b = _product(a.mH, g, *constants) if needed[1] else None
    return (
        None if by_a is None else _summed(by_a, a.shape),
        None if by_b is None else _summed(by_b, b.shape),
    )


def _jvp(
    tensors: Sequence[Tensor], constants: Sequence[Any], tangents: Sequence[Tensor | None]
) -> Tensor:
    (a, b), (da, db) = tensors, tangents
    terms = []
    if da is not None:
        terms.append(_product(da, b, *constants))
    if db is not None:
        terms.append(_product(a, db, *constants))
    return sum(terms[1:], terms[0])


_product = Operation(
    "matmul(Tensor a, Tensor b, str algorithm, int levels) -> Tensor",
    2,
    kernel=_kernel,
    on_gpu=_on_gpu,
    like=lambda a, b, algorithm, levels: a.new_empty(_shape(a, b)),
    backward=_backward,
    jvp=_jvp,
)


def matmul(
    a: Tensor,
    b: Tensor,
    *,
    algorithm: str = "auto",
    levels: int | None = None,
    return_info: bool = False,
) -> Any:
    """Multiply tensors: `randla.matmul`, and derivatives of every order by the same algorithm.

    Parameters
    ----------
    a, b : Tensor
        Of one dtype and on one device; shapes as for `randla.matmul`.
    algorithm : str, default "auto"
        As for `randla.matmul`.  Where ``"auto"`` chooses the classical product, it is torch's.
    levels : int, optional
        As for `randla.matmul`.
    return_info : bool, default False
        Also return a `MatmulInfo`; None in traced code and under transforms.

    Returns
    -------
    Tensor
        The product, in the dtype of both.

    Raises
    ------
    ValueError, TypeError
        As `randla.matmul`; also for tensors of different dtypes or devices.

    Examples
    --------
    >>> import torch, randla.torch
    >>> a = torch.arange(4.0).reshape(2, 2).requires_grad_()
    >>> c = randla.torch.matmul(a, a, algorithm="strassen")
    >>> c.detach()
    tensor([[ 2.,  3.],
            [ 6., 11.]])
    """
    for name, x in (("a", a), ("b", b)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name} must be a tensor like the other, got {type(x).__name__}")
    if a.dtype != b.dtype:
        raise TypeError(f"tensors must have one dtype, got {a.dtype} for a and {b.dtype} for b")
    if a.device != b.device:
        raise ValueError(f"tensors must be on one device, got {a.device} and {b.device}")
    if algorithm not in _NAMES or (
        levels is not None and not (type(levels) is int and levels >= 0)
    ):
        algorithm, levels = _matmul.options(algorithm, levels)  # says what is wrong
    shape = _matmul.shapes(tuple(a.shape), tuple(b.shape))
    working = _FLOATING.get(a.dtype)
    if algorithm == "3m" and not a.dtype.is_complex:
        raise TypeError(f"algorithm '3m' is for complex matrices, got dtype {a.dtype}")
    inner, count = a.shape[-1], -1 if levels is None else levels
    tracing = torch.compiler.is_compiling()
    done = None
    if working is None or algorithm == "classical":
        result = torch.matmul(a, b)
    else:
        x, y = a.to(working), b.to(working)
        x = x.unsqueeze(0) if a.dim() == 1 else x
        y = y.unsqueeze(-1) if b.dim() == 1 else y
        if tracing:
            c = _product(x, y, algorithm, count)
        elif _classical(x, y, algorithm, count):
            c = torch.matmul(x, y)
        else:
            _done.info = None
            c = _product(x, y, algorithm, count)
            done = _done.info
        c = c.squeeze(-2) if a.dim() == 1 else c
        result = (c.squeeze(-1) if b.dim() == 1 else c).to(a.dtype)
    if not return_info:
        return result
    if tracing or not is_plain(result):
        return result, None
    if done is None:
        char = _CHARS.get(working or torch.float64, "d")
        bound = 0.0 if working is None else _matmul.error_bound("classical", 0, inner, char)
        done = _matmul.report(shape[: max(a.dim(), b.dim(), 2) - 2], "classical", bound)
    if working is not None and working != a.dtype:
        extra = inner * torch.finfo(a.dtype).eps / 2
        done = _matmul.MatmulInfo(
            done.algorithm, done.levels, done.workspace, done.error_bound + extra
        )
    return result, done
