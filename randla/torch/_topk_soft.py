"""Soft ranks and soft top-k as operations of torch.

First derivatives come from the kernels; those of higher order from the reference, which sums all
pairs where ranks are involved, under torch's own differentiation.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import _topk_soft as core
from .._core import dispatch, validate
from ._device import memory, on_gpu, stream
from ._ops import Operation, is_plain
from ._topk import topk_mask

# ---- kernels -------------------------------------------------------------------------------------
#
# Scores x (..., n), and k, temperature and gate (..., 1) in float64, which broadcast.  Kind "rank"
# knows the temperature alone.


def _batch(*tensors: Tensor) -> tuple[int, ...]:
    return tuple(torch.broadcast_shapes(*(a.shape[:-1] for a in tensors)))


def _memory(x: Tensor) -> Any:
    return memory(x) if on_gpu(x) else x.detach().numpy()


def _matrix(x: Tensor, batch: tuple[int, ...]) -> Any:
    n = x.shape[-1]
    return _memory(x.detach().expand(*batch, n).contiguous().view(math.prod(batch), n))


def _vector(a: Tensor, batch: tuple[int, ...], every: bool = False) -> Any:
    """Of one number, or one for each row; `every`: always of these."""
    if every or a.numel() > 1:
        a = a.double().expand(*batch, 1)
    return _memory(a.detach().contiguous().view(-1))


def _binding(x: Tensor) -> Any:
    return dispatch.backend("cupy" if on_gpu(x) else "numpy").topk_soft


def _there(x: Tensor) -> Any:
    """Where kernels work: on the device and the stream of a tensor."""
    return stream(x) if on_gpu(x) else contextlib.nullcontext()


_pullback: Any = torch.func.vjp  # its types know one of its two forms


def _reference(kind: str, x: Tensor, k: Tensor, t: Tensor, gate: Tensor) -> Tensor:
    xp = dispatch.namespace(x)
    k, t, gate = (a.to(x.dtype) for a in (k, t, gate))
    of = core.reference_rank if kind == "rank" else core.reference_topk
    given = (xp, x, t) if kind == "rank" else (xp, kind, x, k, t, gate)
    result: Any = of(*given)
    return result


def _like(x: Tensor, k: Tensor, t: Tensor, gate: Tensor, kind: str) -> Tensor:
    return x.new_empty((*_batch(x, k, t, gate), x.shape[-1]))


def _kernel(x: Tensor, k: Tensor, t: Tensor, gate: Tensor, kind: str) -> Tensor:
    out = _like(x, k, t, gate, kind)
    if out.numel() == 0:
        return out
    binding, batch = _binding(x), tuple(out.shape[:-1])
    with _there(x):
        rows, target = _matrix(x, batch), _memory(out.view(-1, out.shape[-1]))
        if kind == "rank":
            binding.rank(rows, _vector(t, batch), target)
        else:
            values = (_vector(a, batch) for a in (k, t, gate))
            binding.soft(binding.KINDS[kind], rows, *values, target)
    return out


def _vjp_like(
    x: Tensor, k: Tensor, t: Tensor, gate: Tensor, g: Tensor, kind: str, full: bool
) -> Tensor:
    return x.new_empty((*_batch(x, k, t, gate, g), x.shape[-1] + 3 * full))


def _vjp_kernel(
    x: Tensor, k: Tensor, t: Tensor, gate: Tensor, g: Tensor, kind: str, full: bool
) -> Tensor:
    """Gradients by x and, if `full`, by the k, temperature and gate of each row, side by side."""
    batch, n = _batch(x, k, t, gate, g), x.shape[-1]
    dx = x.new_empty((*batch, n))
    rows = math.prod(batch)
    others = torch.zeros((3, rows), dtype=torch.float64, device=x.device)
    if dx.numel():
        binding = _binding(x)
        with _there(x):
            scores, gradient = _matrix(x, batch), _matrix(g.to(x.dtype), batch)
            target = _memory(dx.view(rows, n))
            needed = full or not on_gpu(x)  # the kernels of the CPU give them anyway
            by = [_memory(row) if needed else None for row in others]
            if kind == "rank":
                binding.rank_vjp(scores, _vector(t, batch), gradient, target, by[1])
            else:
                values = (_vector(a, batch) for a in (k, t, gate))
                binding.soft_vjp(binding.KINDS[kind], scores, *values, gradient, target, *by)
    if not full:
        return dx
    return torch.cat([dx, others.T.to(x.dtype).view(*batch, 3)], -1)


def _jvp_like(x: Tensor, k: Tensor, t: Tensor, gate: Tensor, *rest: Any) -> Tensor:
    tensors = (a for a in rest if isinstance(a, Tensor))
    return x.new_empty((*_batch(x, k, t, gate, *tensors), x.shape[-1]))


def _jvp_kernel(
    x: Tensor,
    k: Tensor,
    t: Tensor,
    gate: Tensor,
    dx: Tensor,
    dk: Tensor,
    dt: Tensor,
    dgate: Tensor,
    kind: str,
) -> Tensor:
    out = _jvp_like(x, k, t, gate, dx, dk, dt, dgate)
    if out.numel() == 0:
        return out
    binding, batch = _binding(x), tuple(out.shape[:-1])
    with _there(x):
        scores, tangent = _matrix(x, batch), _matrix(dx.to(x.dtype), batch)
        target = _memory(out.view(-1, out.shape[-1]))
        tangents = [_vector(a, batch, every=True) for a in (dk, dt, dgate)]
        if kind == "rank":
            binding.rank_jvp(scores, _vector(t, batch), tangent, tangents[1], target)
        else:
            values = (_vector(a, batch) for a in (k, t, gate))
            number = binding.KINDS[kind]
            binding.soft_jvp(number, scores, *values, tangent, *tangents, target)
    return out


# ---- derivatives ---------------------------------------------------------------------------------


def _pull(kind: str, full: bool) -> Callable[..., Tensor]:
    """What the kernel of the gradient computes, as torch can differentiate it."""

    def function(x: Tensor, k: Tensor, t: Tensor, gate: Tensor, g: Tensor) -> Tensor:
        batch = _batch(x, k, t, gate, g)
        given = (a.expand(*batch, a.shape[-1]) for a in (x, k, t, gate))
        _, pull = _pullback(lambda *a: _reference(kind, *a), *given)
        parts = pull(g.to(x.dtype).expand(*batch, x.shape[-1]))
        return torch.cat([part.to(x.dtype) for part in parts], -1) if full else parts[0]

    return function


def _push(kind: str) -> Callable[..., Tensor]:
    """What the kernel of the tangent computes: linear in them, so the adjoint of an adjoint."""

    def function(*a: Tensor) -> Tensor:
        batch = _batch(*a)
        a = tuple(b.expand(*batch, b.shape[-1]) for b in a)
        x, tangents = a[0], a[4:]
        zero = torch.zeros_like(_reference(kind, *a[:4]))

        def reverse(g: Tensor) -> tuple[Tensor, ...]:
            _, pull = _pullback(lambda *b: _reference(kind, *b), *a[:4])
            result: Any = pull(g)
            return result

        _, again = _pullback(reverse, zero)
        given = tuple(v.to(p.dtype).expand_as(p) for v, p in zip(tangents, a[:4], strict=True))
        result: Any = again(given)[0].to(x.dtype)
        return result

    return function


def _parts(f: Callable[..., Tensor], tensors: Sequence[Tensor], gradient: Tensor) -> Any:
    return _pullback(f, *tensors)[1](gradient)


def _along(
    f: Callable[..., Tensor], tensors: Sequence[Tensor], tangents: Sequence[Tensor | None]
) -> Tensor:
    """Tangent of f, by two adjoints."""
    value = f(*tensors)
    _, again = _pullback(lambda g: _pullback(f, *tensors)[1](g), torch.zeros_like(value))
    given = tuple(
        torch.zeros_like(a) if v is None else v for v, a in zip(tangents, tensors, strict=True)
    )
    result: Any = again(given)[0]
    return result


def _backward(
    tensors: Sequence[Tensor],
    constants: Sequence[Any],
    gradients: Sequence[Tensor],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    x, n, full = tensors[0], tensors[0].shape[-1], any(needed[1:])
    packed = _vjp(*tensors, gradients[0], *constants, full)
    parts = packed.split([n, 1, 1, 1], -1) if full else [packed, None, None, None]
    return [
        part.to(a.dtype).sum_to_size(a.shape) if want else None
        for part, a, want in zip(parts, (x, *tensors[1:]), needed, strict=True)
    ]


def _tangent(
    tensors: Sequence[Tensor], constants: Sequence[Any], tangents: Sequence[Tensor | None]
) -> Tensor:
    given = [
        torch.zeros_like(a) if v is None else v for v, a in zip(tangents, tensors, strict=True)
    ]
    return _jvp(*tensors, *given, *constants)


_soft = Operation(
    "topk_soft(Tensor x, Tensor k, Tensor t, Tensor gate, str kind) -> Tensor",
    4,
    kernel=_kernel,
    on_gpu=_kernel,
    like=_like,
    backward=_backward,
    jvp=_tangent,
)
_vjp = Operation(
    "topk_soft_vjp(Tensor x, Tensor k, Tensor t, Tensor gate, Tensor g, str kind, bool full)"
    " -> Tensor",
    5,
    kernel=_vjp_kernel,
    on_gpu=_vjp_kernel,
    like=_vjp_like,
    backward=lambda tensors, constants, gradients, needed: _parts(
        _pull(*constants), tensors, gradients[0]
    ),
    jvp=lambda tensors, constants, tangents: _along(_pull(*constants), tensors, tangents),
)
_jvp = Operation(
    "topk_soft_jvp(Tensor x, Tensor k, Tensor t, Tensor gate, Tensor dx, Tensor dk, Tensor dt,"
    " Tensor dgate, str kind) -> Tensor",
    8,
    kernel=_jvp_kernel,
    on_gpu=_jvp_kernel,
    like=_jvp_like,
    backward=lambda tensors, constants, gradients, needed: _parts(
        _push(*constants), tensors, gradients[0]
    ),
    jvp=lambda tensors, constants, tangents: _along(_push(*constants), tensors, tangents),
)


# ---- arguments -----------------------------------------------------------------------------------


def _scores(x: Tensor, dim: Any) -> tuple[Tensor, int]:
    """The scores with `dim` last, in a dtype that computes, and dim counted from 0."""
    if x.is_complex():
        raise TypeError(f"x has dtype {x.dtype}; expected real numbers")
    where = validate.axis(dim, x.dim(), "x")
    moved = x if where == x.dim() - 1 else x.movedim(where, -1)
    if not x.is_floating_point():
        return moved.double(), where
    return moved if x.dtype in (torch.float32, torch.float64) else moved.float(), where


def _column(
    name: str,
    value: Any,
    x: Tensor,
    check: Callable[..., np.ndarray],
    check_one: Callable[[float], None],
) -> Tensor:
    """One number, or one for each row, in float64 with as many dimensions as x."""
    batch = tuple(x.shape[:-1])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        check_one(value)  # no NumPy: torch compiles this
        return torch.full((1,) * x.dim(), float(value), dtype=torch.float64, device=x.device)
    if not isinstance(value, Tensor):
        checked = check(name, value, batch)
        if checked.size == 1:
            return torch.full(
                (1,) * x.dim(), float(checked[0]), dtype=torch.float64, device=x.device
            )
        return torch.from_numpy(checked).to(x.device).reshape(*batch, 1)
    if value.is_complex() or value.dtype == torch.bool:
        raise TypeError(f"{name} must be a real number, got dtype {value.dtype}")
    if value.dim() and value.shape != batch:
        raise ValueError(
            f"{name} must be a number or have shape {batch}, got shape {tuple(value.shape)}"
        )
    if value.device.type == "cpu" and not torch.compiler.is_compiling() and is_plain(value):
        check(name, value.detach(), batch)
    shape = (*batch, 1) if value.dim() else (1,) * x.dim()
    return value.to(x.device, torch.float64).reshape(shape)


def _temperature(name: str, value: Any, x: Tensor) -> Tensor:
    return _column(name, value, x, core.positive, lambda v: core.check_temperature(name, v))


def _restored(rows: Tensor, x: Tensor, dim: int) -> Tensor:
    back = rows.to(x.dtype if x.is_floating_point() else torch.float64)
    return back if dim == x.dim() - 1 else back.movedim(-1, dim)


# ---- public --------------------------------------------------------------------------------------


def soft_rank(x: Tensor, *, dim: int = -1, temperature: Any) -> Tensor:
    """Rank the elements along a dimension, smoothly: `randla.soft_rank` for tensors.

    Parameters
    ----------
    x : Tensor
        Scores, of any strides.
    dim : int, default -1
        Along which the elements are compared.
    temperature : float or Tensor
        The width of the transition: one, or one for each row; differentiable.

    Returns
    -------
    Tensor
        Of the shape and dtype of x; float64 where it holds integers or bool.  Differentiable to
        every order: first derivatives in linear time, those of higher order by all pairs.

    Raises
    ------
    ValueError, TypeError
        As `randla.soft_rank`.  A temperature that is a tensor is not checked in compiled code.

    Examples
    --------
    >>> import torch, randla.torch
    >>> x = torch.tensor([3.0, 1.0, 4.0, 1.5], requires_grad=True)
    >>> rank = randla.torch.soft_rank(x, temperature=0.5)
    >>> rank[0].backward()  # a higher score, a lower rank
    >>> x.grad.sign().tolist()
    [-1.0, 1.0, 1.0, 1.0]
    """
    scores, where = _scores(x, dim)
    t = _temperature("temperature", temperature, scores)
    unused = torch.zeros((1,) * scores.dim(), dtype=torch.float64, device=x.device)
    return _restored(_soft(scores, unused, t, unused, "rank"), x, where)


def soft_topk(
    x: Tensor,
    k: Any,
    *,
    dim: int = -1,
    kind: str = "fermi",
    temperature: Any,
    gate_temperature: Any = None,
    hard: bool = False,
) -> Tensor:
    """Weigh the elements along a dimension: `randla.soft_topk` for tensors.

    Parameters
    ----------
    x : Tensor
        Scores, of any strides.
    k : float or Tensor
        How many are selected: one number, or one for each row; differentiable.  An integer for kind
        ``"threshold"`` and where `hard`.
    dim : int, default -1
        Along which the elements are compared.
    kind : {"fermi", "shiva", "laplace", "threshold"}, default "fermi"
        As for `randla.soft_topk`.
    temperature : float or Tensor
        The width of the transition: one, or one for each row; differentiable.
    gate_temperature : float or Tensor, optional
        For kind ``"shiva"``; differentiable.
    hard : bool, default False
        The exact mask of the k largest as numbers, 1 where `topk_mask` is True, with the gradient
        of the weights: straight through.

    Returns
    -------
    Tensor
        Of the shape and dtype of x; float64 where it holds integers or bool.  Differentiable to
        every order.

    Raises
    ------
    ValueError, TypeError
        As `randla.soft_topk`.  Parameters that are tensors are not checked in compiled code.

    Examples
    --------
    >>> import torch, randla.torch
    >>> x = torch.tensor([0.2, 0.9, 0.4, 0.1], requires_grad=True)
    >>> gate = randla.torch.soft_topk(x, 2, temperature=0.1, hard=True)
    >>> gate.tolist()
    [0.0, 1.0, 1.0, 0.0]
    >>> gate[0].backward()  # more of the first score would take from the others
    >>> x.grad.sign().tolist()
    [1.0, -1.0, -1.0, -1.0]
    """
    validate.option("kind", kind, core.KINDS)
    given = core.check_gate(kind, gate_temperature)
    scores, where = _scores(x, dim)
    n = scores.shape[-1]

    def numbers(value: Any) -> Tensor:
        def check(name: str, value: Any, batch: tuple[int, ...]) -> np.ndarray:
            rows = core.numbers(name, value, batch)
            core.check_k(rows, kind, n)
            return rows

        return _column("k", value, scores, check, lambda v: core.check_number(v, kind, n))

    t = _temperature("temperature", temperature, scores)
    gate = _temperature("gate_temperature", given, scores)
    if not hard:
        return _restored(_soft(scores, numbers(k), t, gate, kind), x, where)
    count = validate.integer("k", k)
    validate.inside("k", count, 0, n)
    mask = topk_mask(scores.detach(), count).to(scores.dtype)
    missing = scores.isnan().any(-1, keepdim=True)
    if 0 < count < n:
        p = _soft(scores, numbers(count), t, gate, kind)
        zero = p - p.detach()
    else:  # constant, but in the graph
        zero = scores.masked_fill(~scores.isfinite(), 0) * 0
    return _restored(mask + zero.masked_fill(missing, math.nan), x, where)


def straight_through_topk(
    x: Tensor,
    k: int,
    *,
    kind: str = "fermi",
    temperature: Any,
    dim: int = -1,
    gate_temperature: Any = None,
) -> Tensor:
    """Exact mask of the k largest elements, with the gradient of a soft one.

    Parameters
    ----------
    x : Tensor
        Scores, floating.
    k : int
        How many are selected, from 0 to the length of the dimension.
    kind : {"fermi", "shiva", "laplace", "threshold"}, default "fermi"
        The soft selection, as for `randla.soft_topk`.
    temperature : float or Tensor
        The width of the transition, in the units of the scores.
    dim : int, default -1
        Along which the elements are compared.
    gate_temperature : float or Tensor, optional
        For kind ``"shiva"``.

    Returns
    -------
    Tensor
        Of the shape and dtype of x: 1 where `topk_mask` is True, else 0; NaN in rows that have one.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.

    See Also
    --------
    soft_topk : The same with ``hard=True``.

    Notes
    -----
    Where `k` is 0 or all, the gradient is zero.

    Examples
    --------
    >>> import torch, randla.torch
    >>> scores = torch.tensor([0.2, 0.9, 0.4, 0.1], requires_grad=True)
    >>> gate = randla.torch.straight_through_topk(scores, 2, temperature=0.1)
    >>> gate.tolist()
    [0.0, 1.0, 1.0, 0.0]
    >>> gate[0].backward()  # more of the first score would take from the others
    >>> scores.grad.sign().tolist()
    [1.0, -1.0, -1.0, -1.0]
    """
    if not x.is_floating_point():
        raise TypeError(f"x has dtype {x.dtype}; expected a floating type")
    return soft_topk(
        x, k, dim=dim, kind=kind, temperature=temperature, gate_temperature=gate_temperature,
        hard=True,
    )  # fmt: skip
