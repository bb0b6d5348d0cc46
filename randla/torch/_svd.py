"""Randomized decompositions as operations of torch, with the derivative of a truncated one.

An operation has one result: P, with U above V above S, (..., m + n + 1, k).  With A2 = A - U S V^H,
which the usual formula leaves out, both derivatives need the solution of

    s_i p - A2 q = a,    s_i q - A2^H p = b        for each column i,

whose matrix is positive definite where s_i is larger than what was cut off: conjugate gradients,
all columns at once.  Differentiating the iterations themselves would be slow, and wrong where they
have not converged (arXiv:2311.11894 has the derivative).
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from .. import _svd
from .._core.random import Stream, as_stream
from ._device import memory, on_gpu, stream
from ._ops import Operation, is_plain

_WORKING = {
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.float32: torch.float32,
    torch.float64: torch.float64,
    torch.complex64: torch.complex64,
    torch.complex128: torch.complex128,
}
_INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_MOST_STEPS = 200  # of conjugate gradients
_done = threading.local()  # .info: what the last decomposition of this thread did


# ---- the decomposition ---------------------------------------------------------------------------


def _adjoint(X: Tensor) -> Tensor:
    """X^H in memory: in compiled code torch does not see its own lazy conjugates here."""
    return X.mT.conj_physical()


def _array(A: Tensor) -> Any:
    plain = A.detach().resolve_conj().resolve_neg()
    return memory(plain) if on_gpu(A) else plain.numpy()


def _tensor(x: Any) -> Tensor:
    if isinstance(x, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(x))
    shared: Tensor = torch.utils.dlpack.from_dlpack(x)
    return shared


def _on_device(A: Tensor) -> Any:
    return stream(A) if on_gpu(A) else contextlib.nullcontext()


def narrowed(X: Tensor, dtype: torch.dtype) -> Tensor:
    """Values in the dtype of a result; outside of traces an error if half precision lacks one."""
    Y = X.to(dtype)
    looked = dtype == torch.float16 and is_plain(Y) and not torch.compiler.is_compiling()
    if looked and not bool(torch.isfinite(Y.detach()).all()):
        raise _svd.beyond_range("a value")
    return Y


def _like(A: Tensor, k: int, *_: Any) -> Tensor:
    return A.new_empty((*A.shape[:-2], A.shape[-2] + A.shape[-1] + 1, k))


def _kernel(
    A: Tensor, k: int, over: int, n_iter: int, method: str, precision: str, key: int, offset: int
) -> Tensor:
    P, m = _like(A, k), A.shape[-2]
    options = (None, None, over, "auto" if n_iter < 0 else n_iter, method, precision, False)
    origin = Stream(key % 2**64, offset % 2**64)
    with _on_device(A):
        result = _svd._run(_array(A), _svd.Plan(k, *options), origin, _svd.SVDResult)
        U, S, Vh = map(_tensor, result)
        P[..., :m, :] = U
        P[..., m:-1, :] = _adjoint(Vh)
        P[..., -1, :] = S
    _done.info = result.info
    return P


def _parts(P: Tensor, m: int) -> tuple[Tensor, Tensor, Tensor]:
    return P[..., :m, :], P[..., m:-1, :], P[..., -1, :].real if P.is_complex() else P[..., -1, :]


def _packed(U: Tensor, V: Tensor, S: Tensor) -> Tensor:
    return torch.cat([U, V, S.to(U.dtype).unsqueeze(-2)], dim=-2)


# ---- derivatives ---------------------------------------------------------------------------------


def _undefined(what: str) -> NoReturn:
    raise np.linalg.LinAlgError(f"the derivative is not defined: {what}")


def _outside(U: Tensor, X: Tensor) -> Tensor:
    """The part of X that is orthogonal to U."""
    return X - U @ (_adjoint(U) @ X)


def _solve(A: Tensor, U: Tensor, S: Tensor, V: Tensor, R: Tensor) -> Tensor:
    """[p; q] for [a; b] = R, by conjugate gradients."""
    m, s = A.shape[-2], S.unsqueeze(-2)

    def times(W: Tensor) -> Tensor:
        p, q = W[..., :m, :], W[..., m:, :]
        upper = A @ q - (U * s) @ (_adjoint(V) @ q)
        lower = _adjoint(A) @ p - (V * s) @ (_adjoint(U) @ p)
        return torch.cat([s * p - upper, s * q - lower], dim=-2)

    return conjugate_gradients(times, R, s, "a singular vector")


def conjugate_gradients(
    times: Callable[[Tensor], Tensor], R: Tensor, s: Tensor, what: str
) -> Tensor:
    """W with times(W) = R, a definite matrix of norm s or so for each column."""
    eps = torch.finfo(s.dtype).eps

    def dot(X: Tensor, Y: Tensor) -> Tensor:
        return (X.conj_physical() * Y).sum(-2, keepdim=True).real

    size = dot(R, R).sqrt()
    wanted = size > 10 * eps * size.amax(-1, keepdim=True)  # else rounding: nothing to solve
    R = torch.where(wanted, R, torch.zeros_like(R))
    W = torch.zeros_like(R)
    rest, direction, squares = R, R, dot(R, R)
    limit = (100 * eps * size) ** 2
    for _ in range(_MOST_STEPS):
        open_ = squares > limit
        if not bool(open_.any()):
            break
        product = times(direction)
        curvature = dot(direction, product)
        if bool((open_ & ~(curvature > 0)).any()):
            _undefined(f"{what} is not separated from those that were cut off")
        step = torch.where(open_, squares / curvature, 0.0)
        W = W + step * direction
        rest = rest - step * product
        before, squares = squares, torch.where(open_, dot(rest, rest), squares)
        direction = rest + torch.where(open_, squares / before, 0.0) * direction
    if bool((squares > (1e-4 * size) ** 2).any()):
        _undefined(f"{what} is too close to those cut off for {_MOST_STEPS} steps")
    # as large as this: a gap of rounding alone
    if bool((dot(W, W).sqrt() * s > size / (1e4 * eps)).any()):
        _undefined(f"the value of {what} equals one that was cut off")
    return W


def _equal_pairs(S: Tensor) -> Tensor:
    """Where s_i and s_j are equal to rounding, i != j."""
    squares = S**2
    gap = (squares.unsqueeze(-1) - squares.unsqueeze(-2)).abs()
    limit = 1e3 * torch.finfo(S.dtype).eps * squares[..., :1].unsqueeze(-1)
    k = S.shape[-1]
    return (gap <= limit) & ~torch.eye(k, dtype=torch.bool, device=S.device)


def _core(S: Tensor, X: Tensor, Y: Tensor, gS: Tensor) -> Tensor:
    """U^H gA V, from X = U^H gU and Y = V^H gV.

    For i != j it is a_ij / (s_j - s_i) + b_ij / (s_i + s_j), a and b the skew parts of (X + Y) / 2
    and (X - Y) / 2.  At equal values a has to vanish, and the first term is what a loss of U S V^H
    has there, if it is one; it is 0 for losses of U U^H, V V^H or U V^H.
    """
    k = S.shape[-1]
    if k == 0:
        return X
    a, b = (Z - _adjoint(Z) for Z in ((X + Y) / 2, (X - Y) / 2))
    difference = S.unsqueeze(-2) - S.unsqueeze(-1)
    total = S.unsqueeze(-2) + S.unsqueeze(-1)
    equal, eye = _equal_pairs(S), torch.eye(k, dtype=torch.bool, device=S.device)
    size = torch.maximum(X.abs(), Y.abs()).amax((-2, -1), keepdim=True)
    limit = 10 * math.sqrt(torch.finfo(S.dtype).eps) * size
    if bool((equal & (a.abs() > limit)).any()):
        _undefined("the loss depends on the basis of equal singular values")
    none = total <= limit * 0
    if bool((none & ~eye & (b.abs() > limit)).any()):
        _undefined("the loss depends on the basis of singular values that are 0")
    zero = torch.zeros_like(X)
    first = torch.where(equal | eye, zero, a / torch.where(equal | eye, 1.0, difference))
    second = torch.where(none | eye, zero, b / torch.where(none | eye, 1.0, total))
    core = first + second + torch.diag_embed(gS.to(X.dtype))
    if X.is_complex():
        turn, back = (Z.diagonal(dim1=-2, dim2=-1).imag for Z in (X, Y))
        if bool(((turn + back).abs() > limit.squeeze(-1)).any()):
            _undefined("the loss depends on the phases of singular vectors")
        safe = torch.where(S > 0, S, 1.0)
        core = core + 1j * torch.diag_embed(torch.where(S > 0, turn / safe, 0.0))
    if bool(equal.any()):
        core = core + _within(S, X, Y, gS, equal, limit)
    return core


def _within(S: Tensor, X: Tensor, Y: Tensor, gS: Tensor, equal: Tensor, limit: Tensor) -> Tensor:
    """The Hermitian part of `_core` at equal values."""
    hx, hy = (X + _adjoint(X)) / 2, (Y + _adjoint(Y)) / 2
    asked = equal & (torch.maximum(hx.abs(), hy.abs()) > limit)
    scaled, row = S * gS, limit.squeeze(-1)
    dx, dy = (Z.diagonal(dim1=-2, dim2=-1).real for Z in (X, Y))
    product = ((dx - scaled).abs() <= row) & ((dy - scaled).abs() <= row)
    there, moved = scaled.abs() > row, torch.maximum(dx.abs(), dy.abs()) > row

    def either(x: Tensor) -> Tensor:
        return x.unsqueeze(-1) | x.unsqueeze(-2)

    def both(x: Tensor) -> Tensor:
        return x.unsqueeze(-1) & x.unsqueeze(-2)

    of_product = asked & both(product) & either(there)
    of_spaces = asked & both(~there) & either(moved)
    if bool((asked & ~of_product & ~of_spaces).any()):
        _undefined("equal singular values do not tell what kind of loss this is")
    safe = torch.where(S > 0, S, 1.0).unsqueeze(-1)
    return torch.where(of_product, hx / safe, torch.zeros_like(hx))


def _vjp_kernel(A: Tensor, P: Tensor, G: Tensor) -> Tensor:
    """The gradient by A, from that by P."""
    m = A.shape[-2]
    A, P, G = A.detach(), P.detach(), G.detach()
    (U, V, S), (gU, gV, gS) = _parts(P, m), _parts(G, m)
    if not (bool(gU.any()) or bool(gV.any())):  # of the values alone
        return ((U * gS.unsqueeze(-2)) @ _adjoint(V)).contiguous()
    core = _core(S, _adjoint(U) @ gU, _adjoint(V) @ gV, gS)
    R = torch.cat([_outside(U, gU), _outside(V, gV)], dim=-2)
    W = _solve(A, U, S, V, R)
    return U @ core @ _adjoint(V) + W[..., :m, :] @ _adjoint(V) + U @ _adjoint(W[..., m:, :])


def _jvp_kernel(A: Tensor, P: Tensor, dA: Tensor) -> Tensor:
    """The tangent of P, in the gauge where vectors turn by what their values ask for."""
    m = A.shape[-2]
    A, P, dA = A.detach(), P.detach(), dA.detach()
    U, V, S = _parts(P, m)
    s = S.unsqueeze(-2)
    C = _adjoint(U) @ dA @ V
    dS = C.diagonal(dim1=-2, dim2=-1).real if C.is_complex() else C.diagonal(dim1=-2, dim2=-1)
    right, left = C * s + S.unsqueeze(-1) * _adjoint(C), S.unsqueeze(-1) * C + _adjoint(C) * s
    equal, eye = _equal_pairs(S), torch.eye(S.shape[-1], dtype=torch.bool, device=S.device)
    size = C.abs().amax((-2, -1), keepdim=True) if S.shape[-1] else 0.0
    limit = 10 * math.sqrt(torch.finfo(S.dtype).eps) * size * S[..., :1].unsqueeze(-1)
    if bool((equal & (torch.maximum(right.abs(), left.abs()) > limit)).any()):
        _undefined("singular vectors of equal values turn at once")
    squares = S**2
    gap = torch.where(equal | eye, 1.0, squares.unsqueeze(-2) - squares.unsqueeze(-1))
    turns = [torch.where(equal | eye, torch.zeros_like(C), Z / gap) for Z in (right, left)]
    if C.is_complex():
        imag = C.diagonal(dim1=-2, dim2=-1).imag
        by = torch.where(S > 0, imag / torch.where(S > 0, S, 1.0), 0.0)
        turns[1] = turns[1] - 1j * torch.diag_embed(by)
    R = torch.cat([_outside(U, dA @ V), _outside(V, _adjoint(dA) @ U)], dim=-2)
    W = _solve(A, U, S, V, R)
    return _packed(U @ turns[0] + W[..., :m, :], V @ turns[1] + W[..., m:, :], dS)


def _values_only(G: Tensor) -> Tensor:
    if bool(G[..., :-1, :].any()):
        raise NotImplementedError("second derivatives are those of singular values alone")
    return G[..., -1, :].real if G.is_complex() else G[..., -1, :]


def _second_kernel(A: Tensor, P: Tensor, G: Tensor, H: Tensor) -> Tensor:
    """Gradients of U diag(gS) V^H by U and V, and by gS; packed."""
    m = A.shape[-2]
    (U, V, _), gS = _parts(P.detach(), m), _values_only(G.detach()).unsqueeze(-2)
    H = H.detach()
    HV, HU = H @ V, _adjoint(H) @ U
    by_s = (U.conj_physical() * HV).sum(-2)
    return _packed(HV * gS, HU * gS, by_s.real if by_s.is_complex() else by_s)


def _tangent_kernel(A: Tensor, P: Tensor, G: Tensor, dP: Tensor, dG: Tensor) -> Tensor:
    """The tangent of U diag(gS) V^H."""
    m = A.shape[-2]
    (U, V, _), (dU, dV, _) = _parts(P.detach(), m), _parts(dP.detach(), m)
    gS, dgS = (_values_only(X.detach()).unsqueeze(-2) for X in (G, dG))
    return (dU * gS + U * dgS) @ _adjoint(V) + (U * gS) @ _adjoint(dV)


def _no_more(*_: Any) -> NoReturn:
    raise NotImplementedError("third derivatives, and those of tangents, are not there")


def _only(P: Tensor, values: bool) -> Tensor:
    """The last row, or the others, and zeros."""
    zero = torch.zeros_like(P)
    return torch.cat(
        [(zero if values else P)[..., :-1, :], (P if values else zero)[..., -1:, :]], -2
    )


def decomposition(
    name: str,
    constants: str,
    *,
    kernel: Any,
    like: Any,
    vjp: Any,
    jvp: Any,
    second: Any,
    tangent: Any,
) -> Operation:
    """The operation of a packed decomposition P of A, and those of its derivatives.

    `vjp` (A, P, G) and `jvp` (A, P, dA) are the first ones.  The second ones are of losses of the
    values, the last row of P: `second` (A, P, G, H) has the gradients of `vjp` by vectors and by G,
    packed, and `tangent` (A, P, G, dP, dG) its tangent.
    """

    def operation(
        suffix: str, schema: str, tensors: int, run: Any, as_argument: int, **options: Any
    ) -> Operation:
        def empty(*arguments: Any) -> Tensor:
            like = arguments[as_argument]
            return torch.empty_like(like, memory_format=torch.contiguous_format)

        return Operation(
            f"{name}{suffix}({schema}) -> Tensor",
            tensors,
            kernel=run,
            on_gpu=run,
            **{"like": empty, "backward": _no_more, "jvp": _no_more, **options},
        )

    of_P = "Tensor A, Tensor P, Tensor G"
    by_second = operation("_second", of_P + ", Tensor H", 4, second, 1)
    by_tangent = operation("_tangent", of_P + ", Tensor dP, Tensor dG", 5, tangent, 0)

    def vjp_backward(
        tensors: Sequence[Tensor], _: Any, gradients: Sequence[Tensor], needed: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        both = by_second(*tensors, gradients[0])
        return (None, _only(both, False), _only(both, True))

    def vjp_jvp(tensors: Sequence[Tensor], _: Any, tangents: Sequence[Tensor | None]) -> Tensor:
        A, P, G = tensors
        dP, dG = (torch.zeros_like(P) if t is None else t for t in tangents[1:])
        moved: Tensor = by_tangent(A, P, G, dP, dG)
        return moved

    by_vjp = operation("_vjp", of_P, 3, vjp, 0, backward=vjp_backward, jvp=vjp_jvp)
    by_jvp = operation("_jvp", "Tensor A, Tensor P, Tensor dA", 3, jvp, 1)
    return operation(
        "",
        f"Tensor A, {constants}, int key, int offset",
        1,
        kernel,
        0,
        like=like,
        keep=True,
        backward=lambda tensors, _, gradients, needed: (by_vjp(*tensors, gradients[0]),),
        jvp=lambda tensors, _, tangents: by_jvp(*tensors, tangents[0]),
    )


_decompose = decomposition(
    "randomized_svd",
    "int k, int n_oversamples, int n_iter, str method, str precision",
    kernel=_kernel,
    like=_like,
    vjp=_vjp_kernel,
    jvp=_jvp_kernel,
    second=_second_kernel,
    tangent=_tangent_kernel,
)


# ---- public functions ----------------------------------------------------------------------------


def _working(A: Tensor) -> tuple[torch.dtype, torch.dtype]:
    """Dtypes that compute, and of the result."""
    if A.dtype in _INTEGERS:
        return torch.float64, torch.float64
    working = _WORKING.get(A.dtype)
    if working is None:
        raise TypeError(f"A has dtype {A.dtype}; expected a real or complex floating type")
    return working, A.dtype


def _signed(x: int) -> int:
    return x - 2**64 if x >= 2**63 else x


def _place(rng: Any) -> tuple[int, int]:
    """Key and offset, as a graph can hold them."""
    if type(rng) is int and 0 <= rng < 2**64:
        return _signed(rng), 0
    origin = as_stream(rng)
    return _signed(origin.key), _signed(origin.offset)


def randomized_svd(
    A: Tensor,
    k: int | None = None,
    *,
    rtol: float | None = None,
    max_rank: int | None = None,
    n_oversamples: int = 10,
    n_iter: int | str = "auto",
    method: str = "auto",
    precision: str = "auto",
    center: bool = False,
    M: Tensor | None = None,
    rng: Any = None,
) -> Any:
    """Singular value decomposition of low rank of tensors: `randla.randomized_svd`, differentiable.

    Parameters
    ----------
    A : Tensor, shape (..., m, n)
        Dense, on the CPU or a GPU.
    k : int, optional
        Rank; either `k` or `rtol` must be given.
    rtol : float, optional
        Relative error, for one matrix.
    max_rank : int, optional
        Largest rank, with `rtol`.
    n_oversamples : int, default 10
        Columns beyond k.
    n_iter : int or "auto", default "auto"
        Iterations.
    method : str, default "auto"
        As for `randla.randomized_svd`.
    precision : str, default "auto"
        As for `randla.randomized_svd`.
    center : bool, default False
        Decompose A minus the means of its columns.
    M : Tensor, optional
        Decompose ``A - M``; M broadcasts, so that a row of means may be given, as for
        `torch.svd_lowrank`.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the Gaussian columns.  In traced code an int or a Stream.

    Returns
    -------
    SVDResult
        ``U, S, Vh``; ``info`` is None in traced code and under transforms.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As `randla.randomized_svd`; also LinAlgError in a backward pass whose gradient is not
        defined: that of a loss that depends on the basis of equal singular values, or on phases.

    Notes
    -----
    The gradient is that of the k largest triplets of A, what was cut off included: each step of
    conjugate gradients takes two products of width k with A, and their number grows with
    ``sqrt(1 / (1 - s[k] / s[k - 1]))``.  A loss of the singular values alone needs none, and is
    finite where they are equal.  It supposes that triplets have converged: the error of the
    gradient is that of the subspace, so that slow decay asks for `n_iter`.  Second derivatives are
    those of losses of the singular values.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A = torch.diag(torch.tensor([3.0, 2.0, 1.0])).requires_grad_()
    >>> U, S, Vh = randla.torch.randomized_svd(A, 2)
    >>> S.sum().backward()
    >>> A.grad.diag()
    tensor([1., 1., 0.])
    """
    if not isinstance(A, Tensor):
        raise TypeError(f"A must be a tensor, got {type(A).__name__}")
    plan = _svd.Plan(k, rtol, max_rank, n_oversamples, n_iter, method, precision, center)
    plan.of(A.shape)
    working, dtype = _working(A)
    X = A.to(working)
    if M is not None:
        if not isinstance(M, Tensor):
            raise TypeError(f"M must be a tensor, got {type(M).__name__}")
        if torch.broadcast_shapes(M.shape, A.shape) != A.shape:
            raise ValueError(f"M must broadcast to {tuple(A.shape)}, got {tuple(M.shape)}")
        X = X - M.to(working)
    if center:
        X = X - X.mean(dim=-2, keepdim=True)
    tracing = torch.compiler.is_compiling()
    if k is None:
        if tracing or not is_plain(X):
            raise NotImplementedError("rtol gives sizes that traced code cannot know; pass k")
        with _on_device(X):
            found = _svd._run(_array(X), plan.uncentred(), as_stream(rng), _svd.SVDResult)
            if not (torch.is_grad_enabled() and X.requires_grad):
                arrays = [narrowed(_tensor(x), dtype) for x in found]
                return _svd.SVDResult(*arrays, rank=found.rank, info=found.info)
        k = found.rank
    key, offset = _place(rng)
    _done.info = None
    count = -1 if plan.n_iter is None else plan.n_iter
    P = _decompose(X, k, plan.n_oversamples, count, method, precision, key, offset)
    U, V, S = _parts(P, A.shape[-2])
    info = None if tracing or not is_plain(P) else _done.info
    real = S.dtype if dtype.is_complex else dtype
    return _svd.SVDResult(U.to(dtype), narrowed(S, real), V.mH.to(dtype), rank=k, info=info)


def pca(
    A: Tensor,
    k: int | None = None,
    *,
    rtol: float | None = None,
    max_rank: int | None = None,
    n_oversamples: int = 10,
    n_iter: int | str = "auto",
    method: str = "auto",
    precision: str = "auto",
    rng: Any = None,
) -> Any:
    """Principal components of tensors: `randla.pca`, differentiable.

    Parameters
    ----------
    A : Tensor, shape (..., m, n)
        Rows are samples.
    k : int, optional
        Components; either `k` or `rtol` must be given.
    rtol : float, optional
        Relative error, for one matrix.
    max_rank : int, optional
        Largest rank, with `rtol`.
    n_oversamples : int, default 10
        Columns beyond k.
    n_iter : int or "auto", default "auto"
        Iterations.
    method : str, default "auto"
        As for `randla.pca`.
    precision : str, default "auto"
        As for `randla.pca`.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the Gaussian columns.

    Returns
    -------
    PCAResult
        ``U, S, Vh``, with the attributes of `randla.PCAResult`.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As `randomized_svd`.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 0.5]])
    >>> randla.torch.pca(A, 1).explained_variance.round(decimals=4)
    tensor([1.])
    """
    if not isinstance(A, Tensor):
        raise TypeError(f"A must be a tensor, got {type(A).__name__}")
    _svd.Plan(k, rtol, max_rank, n_oversamples, n_iter, method, precision, True).of(A.shape, 2)
    working, dtype = _working(A)
    mean = A.to(working).mean(dim=-2)
    B = A.to(working) - mean.unsqueeze(-2)
    result = randomized_svd(
        B, k, rtol=rtol, max_rank=max_rank, n_oversamples=n_oversamples, n_iter=n_iter,
        method=method, precision=precision, rng=rng,
    )  # fmt: skip
    variance = result.S**2 / (A.shape[-2] - 1)
    total = (B.abs() ** 2).sum((-2, -1), keepdim=False).unsqueeze(-1) / (A.shape[-2] - 1)
    real = variance.dtype if dtype.is_complex else dtype
    return _svd.PCAResult(
        result.U.to(dtype),
        narrowed(result.S, real),
        result.Vh.to(dtype),
        mean=mean.to(dtype),
        explained_variance=variance.to(real),
        explained_variance_ratio=(variance / torch.where(total > 0, total, 1.0)).to(real),
        rank=result.rank,
        info=result.info,
    )


def randomized_range_finder(
    A: Tensor,
    k: int | None = None,
    *,
    rtol: float | None = None,
    n_oversamples: int = 10,
    n_iter: int | str = "auto",
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    """Orthonormal columns that nearly span what A does: `randla.randomized_range_finder`.

    A basis is arbitrary but for its span, and has no derivative here.

    Parameters
    ----------
    A : Tensor, shape (..., m, n)
        Matrices.
    k : int, optional
        Q has ``k + n_oversamples`` columns; either `k` or `rtol` must be given.
    rtol : float, optional
        Relative error, for one matrix.
    n_oversamples : int, default 10
        Columns beyond k.
    n_iter : int or "auto", default "auto"
        Iterations.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the Gaussian columns.
    return_info : bool, default False
        Also return an `SVDInfo`.

    Returns
    -------
    Tensor
        Q, without a graph; and an `SVDInfo` if `return_info`.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As `randomized_svd`.

    Examples
    --------
    >>> import torch, randla.torch
    >>> Q = randla.torch.randomized_range_finder(torch.eye(5)[:, :3], 1, n_oversamples=1)
    >>> Q.shape
    torch.Size([5, 2])
    """
    if not isinstance(A, Tensor):
        raise TypeError(f"A must be a tensor, got {type(A).__name__}")
    plan = _svd.Plan(k, rtol, None, n_oversamples, n_iter, "subspace", "same", False)
    plan.of(A.shape)
    working, dtype = _working(A)
    X = A.detach().to(working)
    with _on_device(X):
        Q, info = _svd._run(_array(X), plan, as_stream(rng), None)
        Q = _tensor(Q).to(dtype)
    return (Q, info) if return_info else Q
