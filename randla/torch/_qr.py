"""QR factorisations as an operation of torch, with derivatives of every order.

Write A P = [X | Y] and R = [U | V], where U is square: X = Q U by itself, and V = Q^H Y.  That is
every case: Y is empty for a tall matrix, the rest of the columns for a wide or a truncated one.  A
real diagonal of U makes the factors unique and smooth where X has full rank.

Forward, from X = Q U, with C = Q^H dX U^-1 and the skew part of it that Q takes,
W = L - L^H + i Im diag C for the strict lower triangle L of C::

    dU = (C - W) U,   dQ = dX U^-1 - Q (C - W),   dV = dQ^H Y + Q^H dY

Backward, with G = gQ + Y gV^H and M = U gU^H - G^H Q (Walter, Lehmann, Lamour, "On evaluating
higher-order derivatives of the QR decomposition of tall matrices with full column rank in forward
and reverse mode algorithmic differentiation", Optim. Methods Softw. 27 (2012); Roberts, Roberts,
arXiv:2009.10071)::

    gX = (G + Q H) U^-H,   gY = Q gV

where H has the lower triangle of M, its conjugate above, and the real part of its diagonal.  The
permutation and the rank are constants.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import _qr
from .._core import dispatch
from .._core.random import Stream, as_stream
from ._device import memory, on_gpu, stream
from ._expm import _result, _working
from ._ops import PLAIN, Constant, Operation, is_plain

_WORD64 = 2**64
_done = threading.local()  # .found: rank and info of the last factorisation of this thread


# ---- the operation -------------------------------------------------------------------------------


def _like(
    A: Tensor, pivoting: bool, mode: str, k: int, rtol: float, method: str, exact: bool, key: int,
    offset: int,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    *batch, m, n = A.shape
    columns = k or min(m, n)
    Q = _by_columns(A, batch, m, 0 if mode == "r" else columns)
    R = _by_columns(A, batch, columns, n)
    return Q, R, A.new_empty((*batch, n if pivoting else 0), dtype=torch.int64)


def _by_columns(A: Tensor, batch: Sequence[int], m: int, n: int) -> Tensor:
    """Room for matrices that lie by columns, and no view: those have rules for tangents."""
    strides, step = [], m * n
    for size in reversed(batch):
        strides.append(step)
        step *= size
    return A.new_empty_strided((*batch, m, n), (*reversed(strides), 1, m))


def _kernel(
    A: Tensor, pivoting: bool, mode: str, k: int, rtol: float, method: str, exact: bool, key: int,
    offset: int,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    plan = _qr.Plan(A, pivoting, mode, k or None, None if rtol < 0 else rtol, method)
    plan.complete |= exact
    *batch, m, n = A.shape
    count, p = int(np.prod(batch, dtype=np.int64)), plan.p
    device = on_gpu(A)
    Q, R = _by_columns(A, batch, m, p), _by_columns(A, batch, p, n)
    P = A.new_empty((*batch, n if pivoting else 0), dtype=torch.int64)
    if pivoting and p == 0:
        P[:] = torch.arange(n)
    at = Stream(key % _WORD64, offset % _WORD64)
    binding = dispatch.backend("cupy" if device else "numpy").qr
    with stream(A) if device else contextlib.nullcontext():
        given = A.detach().resolve_conj().resolve_neg().reshape(count, m, n)
        into = [Q.mT.view(count, p, m), R.mT.view(count, n, p)]
        if pivoting:
            into.append(P.view(count, n))
        # no device has memory without bytes
        on_host = not device or A.numel() == 0
        a, q, r, *perm = (x.cpu().numpy() if on_host else memory(x) for x in (given, *into))
        table = _qr.factorise_into(binding, a, plan, at, q, r, perm[0] if perm else None)
    _done.found = _qr.report(plan, table)
    columns = _qr.columns_of(plan, table)
    if mode == "r":
        Q = _by_columns(A, batch, m, 0)
    elif columns < p:
        Q = _by_columns(A, batch, m, columns).copy_(Q[..., :columns])
    if columns < p:
        R = _by_columns(A, batch, columns, n).copy_(R[..., :columns, :])
    return Q, R, P


# ---- derivatives ---------------------------------------------------------------------------------


def _certain_kernel(R: Tensor, rtol: float) -> Tensor:
    """Ones; an error where the columns of U are not independent enough to have derivatives."""
    c = R.shape[-2]
    ones = _certain_like(R, rtol).fill_(1)
    if ones.numel() == 0 or c == 0:
        return ones
    U = R[..., :c]
    eps = torch.finfo(R.dtype).eps
    diagonal = U.diagonal(dim1=-2, dim2=-1).real
    bound = rtol if rtol >= 0 else min(R.shape[-2:]) * eps
    full = (diagonal > bound * diagonal.amax(-1, keepdim=True)).all(-1)
    # lengths of columns do no harm: gradients scale with them
    U = U / torch.linalg.vector_norm(U, dim=-2, keepdim=True)
    identity = torch.eye(c, dtype=U.dtype, device=U.device).expand(U.shape)
    inverse = torch.linalg.solve_triangular(U, identity, upper=True)
    cond = U.abs().sum(-2).amax(-1) * inverse.abs().sum(-2).amax(-1)
    right = (full & (cond <= 0.1 / eps)).flatten().tolist()
    if not all(right):
        index = right.index(False)
        where = tuple(int(i) for i in np.unravel_index(index, full.shape)) if full.dim() else ()
        subject = f"matrix {where} of A" if where else "A"
        raise np.linalg.LinAlgError(
            f"{subject} has dependent columns, or nearly so: its QR factors have no derivatives"
        )
    return ones


def _certain_like(R: Tensor, rtol: float) -> Tensor:
    return R.new_empty((*R.shape[:-2], 1, 1), dtype=R.real.dtype)


_certain = Constant(
    "qr_certain(Tensor R, float rtol) -> Tensor", kernel=_certain_kernel, like=_certain_like
)


def _from_the_right(B: Tensor, U: Tensor, adjoint: bool = False) -> Tensor:
    """B U^-1, or B U^-H."""
    T = U.mH if adjoint else U
    return torch.linalg.solve_triangular(T, B, upper=not adjoint, left=False)


def _permuted(A: Tensor, P: Tensor) -> Tensor:
    return torch.take_along_dim(A, P.unsqueeze(-2), -1)


def _parts(tensors: Sequence[Tensor], constants: Sequence[Any]) -> tuple[Tensor, ...]:
    """Certain, Q, U, V and Y."""
    A, Q, R, P = tensors
    pivoting, mode, _, rtol = constants[:4]
    c = R.shape[-2]
    certain = _certain(R, rtol)
    AP = _permuted(A, P) if pivoting else A
    U = R[..., :c]
    if mode == "r":
        Q = _from_the_right(AP[..., :c], U)
    return certain, Q, U, R[..., c:], AP[..., c:]


def _backward(
    tensors: Sequence[Tensor],
    constants: Sequence[Any],
    gradients: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> tuple[Tensor | None]:
    (A, _, R, P), (gQ, gR, _) = tensors, gradients
    mode, c = constants[1], R.shape[-2]
    if mode == "r":
        gQ = None
    if gQ is None and gR is None:
        return (torch.zeros_like(A),)
    certain, Q, U, _, Y = _parts(tensors, constants)
    if gR is None:
        gR = torch.zeros_like(R)
    gU, gV = gR[..., :c], gR[..., c:]
    G = Y @ gV.mH
    if gQ is not None:
        G = G + gQ
    M = U @ gU.mH - G.mH @ Q
    strict = M.tril(-1)
    H = strict + strict.mH + torch.diag_embed(_real(M.diagonal(dim1=-2, dim2=-1), M.dtype))
    gX = _from_the_right(G + Q @ H, U, adjoint=True)
    gAP = torch.cat([gX, Q @ gV], -1) * certain
    return (_permuted(gAP, P.argsort(-1)) if constants[0] else gAP,)


def _real(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.real.to(dtype)


def _jvp(
    tensors: Sequence[Tensor], constants: Sequence[Any], tangents: Sequence[Tensor | None]
) -> tuple[Tensor, Tensor, None]:
    _, _, R, P = tensors
    (dA,) = tangents
    assert dA is not None
    certain, Q, U, _, Y = _parts(tensors, constants)
    dAP = (_permuted(dA, P) if constants[0] else dA) * certain
    c = R.shape[-2]
    S = _from_the_right(dAP[..., :c], U)
    C = Q.mH @ S
    strict = C.tril(-1)
    upper = C.triu(1) + strict.mH
    upper = upper + torch.diag_embed(_real(C.diagonal(dim1=-2, dim2=-1), C.dtype))
    dQ = S - Q @ upper
    dV = dQ.mH @ Y + Q.mH @ dAP[..., c:]
    dR = torch.cat([upper @ U, dV], -1)
    return (dQ[..., :0] if constants[1] == "r" else dQ), dR, None


_factors = Operation(
    "qr(Tensor A, bool pivoting, str mode, int k, float rtol, str method, bool exact, int key, "
    "int offset) -> (Tensor Q, Tensor R, Tensor P)",
    1,
    results=3,
    kernel=_kernel,
    on_gpu=_kernel,
    like=_like,
    backward=_backward,
    jvp=_jvp,
)


# ---- public --------------------------------------------------------------------------------------


def _checked(A: Any) -> None:
    if not isinstance(A, Tensor):
        raise TypeError(f"A must be a tensor, got {type(A).__name__}")


def _call(A: Tensor, plan: Any, method: str, at: tuple[int, int]) -> Any:
    working, result = _working("A", A.dtype), _result(A.dtype)
    exact = torch.compiler.is_compiling() or type(A) not in PLAIN or A.device.type == "meta"
    if exact and plan.mode == "truncated" and plan.k is None:
        raise ValueError("mode='truncated' gives sizes that depend on numbers: pass k")
    rtol = -1.0 if plan.rtol is None else plan.rtol
    key, offset = (x - _WORD64 if x >= 2**63 else x for x in at)
    words = (plan.pivoting, plan.mode, plan.k or 0, rtol, method, exact, key, offset)
    Q, R, P = _factors(A.to(working), *words)
    rank = info = None
    if not exact and is_plain(A):
        rank, info = _done.found
    return _qr.result(plan, Q.to(result), R.to(result), P, rank, info)


def _position(rng: Any) -> tuple[int, int]:
    """Key and offset of a Stream, which compiled code makes of an int or a Stream alone."""
    if type(rng) is int and 0 <= rng < _WORD64:
        return rng, 0
    if torch.compiler.is_compiling() and not isinstance(rng, Stream):
        raise ValueError("rng must be an int or a Stream in compiled code")
    at = as_stream(rng)
    return at.key, at.offset


def qr(
    A: Tensor,
    *,
    pivoting: bool = False,
    mode: str = "economic",
    k: int | None = None,
    rtol: float | None = None,
    method: str = "auto",
    rng: Any = None,
) -> Any:
    """Factorise matrices A[:, P] = Q R: `randla.qr` for tensors, with derivatives of every order.

    Parameters
    ----------
    A : Tensor, shape (..., m, n)
        Real or complex matrices, of any strides, on the CPU or a GPU.
    pivoting : bool, default False
        Permute the columns, largest first.
    mode : {"economic", "truncated", "r"}, default "economic"
        As for `randla.qr`.  In compiled code sizes cannot depend on numbers, and ``"truncated"``
        needs `k`.
    k : int, optional
        At most this many columns of Q and rows of R; exactly as many in a batch, and in compiled
        code.  Needs pivots.
    rtol : float, optional
        For the rank, as for `randla.qr`.
    method : str, default "auto"
        As for `randla.qr`.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the sketch and of the probes; an int or a Stream in compiled code.

    Returns
    -------
    QRResult or PivotedQRResult
        ``Q, R`` or ``Q, R, P``.  Its ``rank`` and ``info`` are None in compiled code and under
        transforms.

    Raises
    ------
    ValueError, TypeError
        As `randla.qr`.
    numpy.linalg.LinAlgError
        As `randla.qr`.  Also by a derivative, where the columns of Q that were asked for do not
        come from independent columns of A: where the rank is smaller, or the columns of A[:, P],
        at length 1, have a condition number beyond ``0.1 / eps``.  There is none at a lower rank,
        and nothing but rounding could be computed near one.
    ImportError
        For a tensor on a GPU, without CuPy.

    Notes
    -----
    The derivatives take the permutation and the rank as constants: they are those of the QR
    factorisation of A[:, P].  With mode ``"r"`` the backward pass computes Q as A[:, P] R^-1.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A = torch.tensor([[3.0, 1.0], [4.0, 2.0]], requires_grad=True)
    >>> Q, R = randla.torch.qr(A)
    >>> R[0, 0].backward()
    >>> A.grad  # the first column over its norm
    tensor([[0.6000, 0.0000],
            [0.8000, 0.0000]])
    """
    _checked(A)
    plan = _qr.planned(A, pivoting, mode, k, rtol, method)
    return _call(A, plan, method, _position(rng))


def cholesky_qr(A: Tensor, *, method: str = "auto") -> Any:
    """Factorise tall matrices by the Cholesky factor of A^H A: `randla.cholesky_qr` for tensors.

    Parameters
    ----------
    A : Tensor, shape (..., m, n)
        Real or complex matrices with m >= n, of any strides, on the CPU or a GPU.
    method : {"auto", "cholqr2", "cholqr3"}, default "auto"
        As for `randla.cholesky_qr`.

    Returns
    -------
    QRResult
        ``Q, R``, with derivatives as those of `qr`.

    Raises
    ------
    ValueError, TypeError
        As `randla.cholesky_qr`.
    numpy.linalg.LinAlgError
        As `qr`.
    ImportError
        For a tensor on a GPU, without CuPy.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A = torch.arange(1.0, 7.0).reshape(3, 2)
    >>> Q, R = randla.torch.cholesky_qr(A)
    >>> bool(torch.allclose(Q @ R, A, atol=1e-5))
    True
    """
    _checked(A)
    plan = _qr.planned_cholesky(A, method)
    return _call(A, plan, plan.method, (0, 0))
