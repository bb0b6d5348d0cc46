"""Randomized eigenvalues as operations of torch, with the derivative of a truncated decomposition.

An operation has one result: P, with V above w, (..., n + 1, k).  With A2 = A - V w V^H, each column
of a derivative needs the solution of (w_i - A2) z = a for a orthogonal to V, whose matrix is
definite where w_i is of larger modulus than what was cut off: conjugate gradients, all columns at
once.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .. import _svd_eigh
from .._core.random import Stream
from ._ops import is_plain
from ._svd import (
    _adjoint,
    _array,
    _done,
    _on_device,
    _outside,
    _place,
    _tensor,
    _undefined,
    _values_only,
    _working,
    conjugate_gradients,
    decomposition,
    narrowed,
)


def _like(A: Tensor, k: int, *_: Any) -> Tensor:
    return A.new_empty((*A.shape[:-2], A.shape[-1] + 1, k))


def _kernel(
    A: Tensor, k: int, psd: bool, over: int, n_iter: int, method: str, key: int, offset: int
) -> Tensor:
    P = _like(A, k)
    origin = Stream(key % 2**64, offset % 2**64)
    with _on_device(A):
        result = _svd_eigh.randomized_eigh(
            _array(A), k, psd=psd, n_oversamples=over, n_iter="auto" if n_iter < 0 else n_iter,
            method=method, rng=origin,
        )  # fmt: skip
        w, V = map(_tensor, result)
        P[..., :-1, :], P[..., -1, :] = V, w
    _done.info = result.info
    return P


def _parts(P: Tensor) -> tuple[Tensor, Tensor]:
    w = P[..., -1, :]
    return P[..., :-1, :], w.real if P.is_complex() else w


def _packed(V: Tensor, w: Tensor) -> Tensor:
    return torch.cat([V, w.to(V.dtype).unsqueeze(-2)], dim=-2)


def _symmetric(X: Tensor) -> Tensor:
    return (X + _adjoint(X)) / 2


# ---- derivatives ---------------------------------------------------------------------------------


def _solve(A: Tensor, V: Tensor, w: Tensor, R: Tensor) -> Tensor:
    """z with (w_i - A2) z_i = r_i, r orthogonal to V."""
    row, sign = w.unsqueeze(-2), torch.where(w < 0, -1.0, 1.0).unsqueeze(-2).to(w.dtype)

    def times(Z: Tensor) -> Tensor:
        return sign * (row * Z - (A @ Z - (V * row) @ (_adjoint(V) @ Z)))

    return conjugate_gradients(times, sign * R, row.abs(), "an eigenvector")


def _equal_pairs(w: Tensor) -> Tensor:
    """Where w_i and w_j are equal to rounding, i != j."""
    gap = (w.unsqueeze(-1) - w.unsqueeze(-2)).abs()
    limit = 1e3 * torch.finfo(w.dtype).eps * w.abs().amax(-1, keepdim=True).unsqueeze(-1)
    return (gap <= limit) & ~torch.eye(w.shape[-1], dtype=torch.bool, device=w.device)


def _core(w: Tensor, X: Tensor, gw: Tensor) -> Tensor:
    """V^H gA V from X = V^H gV: (x_ij - conj x_ji) / 2 (w_j - w_i), and gw on the diagonal.

    At equal values the numerator has to vanish.  What is left is 0 for losses of V V^H, and
    x_ij / 2 w for those of V w V^H, which x_ii = 2 w_i gw_i tells.
    """
    a, h = (X - _adjoint(X)) / 2, _symmetric(X)
    size = X.abs().amax((-2, -1), keepdim=True)
    limit = 10 * math.sqrt(torch.finfo(w.dtype).eps) * size
    equal, eye = _equal_pairs(w), torch.eye(w.shape[-1], dtype=torch.bool, device=w.device)
    if bool((equal & (a.abs() > limit)).any()):
        _undefined("the loss depends on the basis of equal eigenvalues")
    if X.is_complex() and bool((a.diagonal(dim1=-2, dim2=-1).abs() > limit.squeeze(-1)).any()):
        _undefined("the loss depends on the phases of eigenvectors")
    gap = torch.where(equal | eye, 1.0, w.unsqueeze(-2) - w.unsqueeze(-1))
    core = torch.where(equal | eye, torch.zeros_like(X), a / gap) + torch.diag_embed(gw.to(X.dtype))
    asked = equal & (h.abs() > limit)
    if bool(asked.any()):
        diagonal, row = h.diagonal(dim1=-2, dim2=-1).real, limit.squeeze(-1)
        moved = (2 * w * gw).abs() > row
        product = (diagonal - 2 * w * gw).abs() <= row
        of_product = asked & (product.unsqueeze(-1) & product.unsqueeze(-2))
        of_product = of_product & (moved.unsqueeze(-1) | moved.unsqueeze(-2))
        of_spaces = asked & ~moved.unsqueeze(-1) & ~moved.unsqueeze(-2)
        if bool((asked & ~of_product & ~of_spaces).any()):
            _undefined("equal eigenvalues do not tell what kind of loss this is")
        twice = torch.where(w == 0, 1.0, 2 * w).unsqueeze(-1)
        core = core + torch.where(of_product, h / twice, torch.zeros_like(h))
    return core


def _vjp_kernel(A: Tensor, P: Tensor, G: Tensor) -> Tensor:
    """The gradient by A, Hermitian, from that by P."""
    (V, w), (gV, gw) = _parts(P.detach()), _parts(G.detach())
    if not bool(gV.any()):  # of the values alone
        return ((V * gw.unsqueeze(-2)) @ _adjoint(V)).contiguous()
    core = _core(w, _adjoint(V) @ gV, gw)
    Z = _solve(A.detach(), V, w, _outside(V, gV))
    return _symmetric((V @ core + Z) @ _adjoint(V))


def _jvp_kernel(A: Tensor, P: Tensor, dA: Tensor) -> Tensor:
    """The tangent of P, in the gauge where vectors turn by what their values ask for."""
    V, w = _parts(P.detach())
    dA = _symmetric(dA.detach())
    image = dA @ V
    C = _adjoint(V) @ image
    equal, eye = _equal_pairs(w), torch.eye(w.shape[-1], dtype=torch.bool, device=w.device)
    limit = 10 * math.sqrt(torch.finfo(w.dtype).eps) * C.abs().amax((-2, -1), keepdim=True)
    if bool((equal & (C.abs() > limit)).any()):
        _undefined("eigenvectors of equal values turn at once")
    gap = torch.where(equal | eye, 1.0, w.unsqueeze(-2) - w.unsqueeze(-1))
    turn = torch.where(equal | eye, torch.zeros_like(C), C / gap)
    Z = _solve(A.detach(), V, w, _outside(V, image))
    diagonal = C.diagonal(dim1=-2, dim2=-1)
    return _packed(V @ turn + Z, diagonal.real if C.is_complex() else diagonal)


def _second_kernel(A: Tensor, P: Tensor, G: Tensor, H: Tensor) -> Tensor:
    """Gradients of V diag(gw) V^H by V, and by gw; packed."""
    V, _ = _parts(P.detach())
    gw = _values_only(G.detach()).unsqueeze(-2)
    H = H.detach()
    HV = H @ V
    by_w = (V.conj_physical() * HV).sum(-2)
    return _packed((HV + _adjoint(H) @ V) * gw, by_w.real if by_w.is_complex() else by_w)


def _tangent_kernel(A: Tensor, P: Tensor, G: Tensor, dP: Tensor, dG: Tensor) -> Tensor:
    """The tangent of V diag(gw) V^H."""
    (V, _), (dV, _) = _parts(P.detach()), _parts(dP.detach())
    gw, dgw = (_values_only(X.detach()).unsqueeze(-2) for X in (G, dG))
    moved = (dV * gw) @ _adjoint(V)
    return moved + _adjoint(moved) + (V * dgw) @ _adjoint(V)


_decompose = decomposition(
    "randomized_eigh",
    "int k, bool psd, int n_oversamples, int n_iter, str method",
    kernel=_kernel,
    like=_like,
    vjp=_vjp_kernel,
    jvp=_jvp_kernel,
    second=_second_kernel,
    tangent=_tangent_kernel,
)


# ---- public function -----------------------------------------------------------------------------


def randomized_eigh(
    A: Tensor,
    k: int,
    *,
    psd: bool = False,
    n_oversamples: int = 10,
    n_iter: int | str = "auto",
    method: str = "auto",
    rng: Any = None,
) -> Any:
    """Eigenvalues of Hermitian tensors: `randla.randomized_eigh`, differentiable.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        Dense, on the CPU or a GPU.
    k : int
        Eigenvalues.
    psd : bool, default False
        A is positive semidefinite.
    n_oversamples : int, default 10
        Columns beyond k.
    n_iter : int or "auto", default "auto"
        As for `randla.randomized_eigh`.
    method : str, default "auto"
        As for `randla.randomized_eigh`.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the Gaussian columns.  In traced code an int or a Stream.

    Returns
    -------
    EighResult
        ``eigenvalues, eigenvectors``; ``info`` is None in traced code and under transforms.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As `randla.randomized_eigh`; also LinAlgError in a backward pass whose gradient is not
        defined: that of a loss that depends on the basis of equal eigenvalues, or on phases.

    Notes
    -----
    The gradient is Hermitian, and that of the k largest pairs of A, what was cut off included: each
    step of conjugate gradients takes one product of width k with A.  A loss of the eigenvalues
    alone needs none.  It supposes that pairs have converged.  Second derivatives are those of
    losses of the eigenvalues.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A = torch.diag(torch.tensor([-3.0, 2.0, 1.0])).requires_grad_()
    >>> w, V = randla.torch.randomized_eigh(A, 2)
    >>> (w**2).sum().backward()
    >>> A.grad.diag()
    tensor([-6.,  4.,  0.])
    """
    if not isinstance(A, Tensor):
        raise TypeError(f"A must be a tensor, got {type(A).__name__}")
    plan = _svd_eigh._Plan(k, psd, n_oversamples, n_iter, method)
    plan.of(tuple(A.shape))
    working, dtype = _working(A)
    X = A.to(working)
    key, offset = _place(rng)
    _done.info = None
    count = -1 if plan.n_iter is None else plan.n_iter
    P = _decompose(X, plan.k, plan.psd, plan.n_oversamples, count, method, key, offset)
    V, w = _parts(P)
    info = None if torch.compiler.is_compiling() or not is_plain(P) else _done.info
    real = w.dtype if dtype.is_complex else dtype
    return _svd_eigh.EighResult(narrowed(w, real), V.to(dtype), rank=plan.k, info=info)
