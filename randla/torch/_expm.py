"""Matrix exponentials as operations of torch.

Two operations hold all of the derivatives.  With L(A, E) the derivative of phi_k (k = 0: exp) at A
in the direction E,

    gradient of phi_k at A           L(A^H, G)
    gradient of L(A, E) by E         L(A^H, G)
    gradient of L(A, E) by A         L2(A^H; E^H, G), L2 the second derivative,

and L2(A; E, D) is the upper right block of L([[A, E], [0, A]], diag(D, D)).  So derivatives of
every order are made of the core's first one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import randla

from .._core import dispatch, validate
from .._cpu import expm as binding
from ._device import memory, on_gpu, stream
from ._ops import PLAIN, Operation

# dtype of a tensor -> the dtype that computes
_WORKING = {
    torch.float32: torch.float32,
    torch.float64: torch.float64,
    torch.complex64: torch.complex64,
    torch.complex128: torch.complex128,
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    **dict.fromkeys(
        (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64), torch.float64
    ),
}


def _working(name: str, dtype: torch.dtype) -> torch.dtype:
    working = _WORKING.get(dtype)
    if working is None:
        raise TypeError(f"{name} has dtype {dtype}; expected a real or complex floating type")
    return working


def _result(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype.is_floating_point or dtype.is_complex else torch.float64


def _one_dtype(**named: Tensor) -> torch.dtype:
    """Dtype of tensors that must agree, as in torch's own products."""
    dtypes = {x.dtype for x in named.values()}
    devices = {x.device for x in named.values()}
    if len(dtypes) > 1:
        listed = " and ".join(f"{x.dtype} for {name}" for name, x in named.items())
        raise TypeError(f"tensors must have one dtype, got {listed}")
    if len(devices) > 1:
        listed = " and ".join(f"{x.device} for {name}" for name, x in named.items())
        raise ValueError(f"tensors must be on one device, got {listed}")
    return dtypes.pop()


def _times(t: Any) -> Any:
    """None, a number or a list of numbers, where that is what t means; a graph can hold those."""
    if t is None or type(t) in (int, float, complex):
        return t
    if type(t) in (list, tuple) and all(type(x) in (int, float, complex) for x in t):
        return list(t)
    values = validate.times(t)
    return None if values is None else values.tolist()


def _numpy(x: Tensor, shape: Sequence[int]) -> np.ndarray:
    """Memory of a tensor as a packed batch of matrices, without a copy where there is no need."""
    # each of these calls costs as much as a small exponential: none that is not needed
    if x.shape != shape:
        x = x.expand(shape)
    if not x.is_contiguous():
        x = x.contiguous()
    if x.is_conj() or x.is_neg():
        x = x.resolve_conj().resolve_neg()
    array: np.ndarray = x.detach().numpy()
    return array if array.ndim == 3 else array.reshape(-1, *shape[-2:])


def _batch(A: Tensor, B: Tensor) -> Sequence[int]:
    """Batch dimensions of both, broadcast."""
    a, b = A.shape[:-2], B.shape[:-2]
    return a if a == b else torch.broadcast_shapes(a, b)


# ---- phi_k, and expm with what it knows of structure ---------------------------------------------


def _function_kernel(A: Tensor, k: int, tol: float, assume: str) -> Tensor:
    F = torch.empty(A.shape, dtype=A.dtype)
    if A.numel() == 0:
        return F
    a = _numpy(A, A.shape)
    f = F.numpy().reshape(a.shape)
    if k:
        binding.phi(a, k, tol, f, None)
    elif assume:
        randla.expm(a.reshape(A.shape), tol=tol or None, assume=assume, out=f.reshape(A.shape))
    else:
        binding.EXPM[a.dtype.char](a, f, a.shape[-1], tol, 0, None)
    return F


def _function_on_gpu(A: Tensor, k: int, tol: float, assume: str) -> Tensor:
    F = torch.empty(A.shape, dtype=A.dtype, device=A.device)
    if A.numel() == 0:
        return F
    cuda, n = dispatch.backend("cupy"), A.shape[-1]
    with stream(A):
        a, f = memory(A), memory(F)
        if assume or not cuda.expm.serves(n, a.dtype.char):
            limit = tol or None
            f[...] = (
                randla.phi(a, k, tol=limit)
                if k
                else randla.expm(a, tol=limit, assume=assume or None)
            )
        elif k:
            cuda.expm_phi.phi_into(_packed(a, a.shape), k, tol, f.reshape(-1, n, n), None)
        else:
            cuda.expm.expm_into(_packed(a, a.shape), f.reshape(-1, n, n), tol, None)
    return F


def _packed(x: Any, shape: Sequence[int]) -> Any:
    return dispatch.backend("cupy").expm.packed(x, tuple(shape), x.dtype.char)


def _projected(X: Tensor, assume: str) -> Tensor:
    """Gradients by the matrix that was used, A's projection, as gradients by A; and tangents."""
    if assume == "hermitian":
        return (X + X.mH) / 2
    return (X - X.mH) / 2 if assume == "skew" else X


def _function_backward(
    tensors: Sequence[Tensor], constants: Sequence[Any], gradients: Sequence[Tensor], _: Any
) -> tuple[Tensor]:
    k, _, assume = constants
    if assume in ("hermitian", "skew"):
        X = _derivative(_projected(tensors[0], assume), gradients[0], k, True)
        return (_projected(X, assume),)
    return (_derivative(tensors[0], gradients[0], k, True),)


def _function_jvp(
    tensors: Sequence[Tensor], constants: Sequence[Any], tangents: Sequence[Tensor | None]
) -> Tensor:
    k, _, assume = constants
    A, D = (_projected(X, assume) for X in (tensors[0], tangents[0]) if X is not None)
    return _derivative(A, D, k, False)


_function = Operation(
    "expm_function(Tensor A, int k, float tol, str assume) -> Tensor",
    1,
    kernel=_function_kernel,
    on_gpu=_function_on_gpu,
    like=lambda A, k, tol, assume: torch.empty_like(A, memory_format=torch.contiguous_format),
    backward=_function_backward,
    jvp=_function_jvp,
)


# ---- L(A, E), or at A^H --------------------------------------------------------------------------


def _derivative_kernel(A: Tensor, E: Tensor, k: int, adjoint: bool) -> Tensor:
    shape = (*_batch(A, E), *A.shape[-2:])
    L = torch.empty(shape, dtype=A.dtype)
    if L.numel() == 0:
        return L
    e = _numpy(E, shape)
    out = L.numpy().reshape(e.shape)
    if k:
        binding.phi_vjp(_numpy(A if adjoint else A.mH, shape), k, e, 0.0, out)
    elif adjoint:
        binding.vjp(_numpy(A, shape), e, 0.0, out)
    else:
        binding.frechet(_numpy(A, shape), e, 0.0, None, out)
    return L


def _derivative_on_gpu(A: Tensor, E: Tensor, k: int, adjoint: bool) -> Tensor:
    shape = (*_batch(A, E), *A.shape[-2:])
    L = torch.empty(shape, dtype=A.dtype, device=A.device)
    if L.numel() == 0:
        return L
    cuda, n = dispatch.backend("cupy"), shape[-1]
    with stream(A):
        a, e, out = memory(A), memory(E), memory(L)
        if cuda.expm.serves(n, a.dtype.char):
            a, e, out = _packed(a, shape), _packed(e, shape), out.reshape(-1, n, n)
            if k:
                cuda.expm_phi.derivative_into(a, k, e, 0.0, out, adjoint)
            else:
                cuda.expm.frechet_into(a, e, 0.0, None, out, adjoint)
            return L
        X = A.mH if adjoint else A
        if k:
            return _by_block(X, E, k)
        out[...] = randla.expm_frechet(memory(X), e, compute_expm=False)
    return L


def _by_block(A: Tensor, E: Tensor, k: int) -> Tensor:
    """L(A, E) as the upper right block of phi_k([[A, E], [0, A]]).

    Eight products for three, for matrices of phi that are too large for a kernel.
    """
    n = A.shape[-1]
    E, size = _of_size_one(E)
    A, E = torch.broadcast_tensors(A, E)
    Z = torch.cat([torch.cat([A, E], -1), torch.cat([torch.zeros_like(A), A], -1)], -2)
    return _function_on_gpu(Z, k, 0.0, "")[..., :n, n:] * size


def _of_size_one(E: Tensor) -> tuple[Tensor, Tensor]:
    """E, which comes to stand beside A, without its size: what is lost would depend on that."""
    size = E.detach().abs().amax(dim=(-2, -1), keepdim=True)
    size = torch.where(size > 0, size, torch.ones_like(size))
    return E / size, size


def _second(A: Tensor, E: Tensor, D: Tensor, k: int) -> Tensor:
    """L2(A; E, D)."""
    n = A.shape[-1]
    E, size = _of_size_one(E)
    A, E, D = torch.broadcast_tensors(A, E, D)
    zero = torch.zeros_like(A)
    X = torch.cat([torch.cat([A, E], -1), torch.cat([zero, A], -1)], -2)
    Y = torch.cat([torch.cat([D, zero], -1), torch.cat([zero, D], -1)], -2)
    return _derivative(X, Y, k, False)[..., :n, n:] * size


def _reduced(x: Tensor, shape: torch.Size) -> Tensor:
    return x if x.shape == shape else x.sum_to_size(shape)


def _derivative_backward(
    tensors: Sequence[Tensor],
    constants: Sequence[Any],
    gradients: Sequence[Tensor],
    needed: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:
    (A, E), (k, adjoint), (G,) = tensors, constants, gradients
    by_a = by_e = None
    if needed[0]:
        # with X = A^H for A: L2(X^H; E^H, G), and its adjoint is the gradient by A
        by_a = _second(A, E.mH, G, k).mH if adjoint else _second(A.mH, E.mH, G, k)
        by_a = _reduced(by_a, A.shape)
    if needed[1]:
        by_e = _reduced(_derivative(A, G, k, not adjoint), E.shape)
    return by_a, by_e


def _derivative_jvp(
    tensors: Sequence[Tensor], constants: Sequence[Any], tangents: Sequence[Tensor | None]
) -> Tensor:
    (A, E), (k, adjoint), (dA, dE) = tensors, constants, tangents
    terms = []
    if dA is not None:
        X, dX = (A.mH, dA.mH) if adjoint else (A, dA)
        terms.append(_second(X, E, dX, k))
    if dE is not None:
        terms.append(_derivative(A, dE, k, adjoint))
    return sum(terms[1:], terms[0])


def _derivative_like(A: Tensor, E: Tensor, k: int, adjoint: bool) -> Tensor:
    return A.new_empty((*_batch(A, E), *A.shape[-2:]))


_derivative = Operation(
    "expm_derivative(Tensor A, Tensor E, int k, bool adjoint) -> Tensor",
    2,
    kernel=_derivative_kernel,
    on_gpu=_derivative_on_gpu,
    like=_derivative_like,
    backward=_derivative_backward,
    jvp=_derivative_jvp,
)


# ---- exp(A) B ------------------------------------------------------------------------------------


def _multiply_shape(A: Tensor, B: Tensor) -> tuple[int, ...]:
    return (*_batch(A, B), A.shape[-1], B.shape[-1])


def _multiply_kernel(A: Tensor, B: Tensor, tol: float) -> Tensor:
    shape = _multiply_shape(A, B)
    Y = torch.empty(shape, dtype=A.dtype)
    if Y.numel():
        a = _numpy(A, (*shape[:-2], *A.shape[-2:]))
        b = _numpy(B, shape)
        binding.multiply(a, b, tol, Y.numpy().reshape(b.shape), None)
    return Y


def _multiply_on_gpu(A: Tensor, B: Tensor, tol: float) -> Tensor:
    shape = _multiply_shape(A, B)
    Y = torch.empty(shape, dtype=A.dtype, device=A.device)
    if Y.numel() == 0:
        return Y
    cuda = dispatch.backend("cupy")
    with stream(A):
        a, b, y = (memory(x) for x in (A, B, Y))
        if cuda.expm.serves(A.shape[-1], a.dtype.char):
            batch = shape[:-2]
            a, b = (cuda.expm_multiply.spread(x, batch, x.dtype.char) for x in (a, b))
            cuda.expm_multiply.multiply_into(a, b, tol, y.reshape(-1, *shape[-2:]), None)
        else:
            y[...] = randla.expm_multiply(a, b, tol=tol or None)
    return Y


def _multiply_backward(
    tensors: Sequence[Tensor],
    constants: Sequence[Any],
    gradients: Sequence[Tensor],
    needed: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:
    (A, B), (tol,), (G,) = tensors, constants, gradients
    shape = _multiply_shape(A, B)
    if (
        all(type(x) in PLAIN for x in (A, B, G))
        and not torch.is_grad_enabled()
        and A.device.type == "cpu"
        and 0 not in shape
    ):
        square = (*shape[:-2], *A.shape[-2:])
        XA, XB = torch.empty(square, dtype=A.dtype), torch.empty(shape, dtype=A.dtype)
        a, b, g = _numpy(A, square), _numpy(B, shape), _numpy(G, shape)
        binding.multiply_vjp(a, b, g, tol, XA.numpy().reshape(a.shape), XB.numpy().reshape(b.shape))
        return _reduced(XA, A.shape), _reduced(XB, B.shape)
    by_a = _derivative(A, G @ B.mH, 0, True) if needed[0] else None
    by_b = _multiply(A.mH, G, tol) if needed[1] else None
    return (
        None if by_a is None else _reduced(by_a, A.shape),
        None if by_b is None else _reduced(by_b, B.shape),
    )


def _multiply_jvp(
    tensors: Sequence[Tensor], constants: Sequence[Any], tangents: Sequence[Tensor | None]
) -> Tensor:
    (A, B), (tol,), (dA, dB) = tensors, constants, tangents
    terms = []
    if dA is not None:
        terms.append(_derivative(A, dA, 0, False) @ B)
    if dB is not None:
        terms.append(_multiply(A, dB, tol))
    return sum(terms[1:], terms[0])


_multiply = Operation(
    "expm_multiply(Tensor A, Tensor B, float tol) -> Tensor",
    2,
    kernel=_multiply_kernel,
    on_gpu=_multiply_on_gpu,
    like=lambda A, B, tol: A.new_empty(_multiply_shape(A, B)),
    backward=_multiply_backward,
    jvp=_multiply_jvp,
)


# ---- public --------------------------------------------------------------------------------------

_HERE = ("cpu", "cuda", "meta")  # elsewhere the reference runs, on torch's own operations


def expm(
    A: Tensor, *, tol: float | None = None, assume: str | None = None, return_info: bool = False
) -> Any:
    """Matrix exponential of a tensor: `randla.expm`, and derivatives of every order.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        Real or complex matrices, on the CPU or, with CuPy, on a GPU; float16 and bfloat16 are
        computed in float32.
    tol : float, optional
        As for `randla.expm`; gradients do not depend on it.
    assume : {None, "hermitian", "skew", "triangular", "metzler"}, optional
        As for `randla.expm`; gradients of the first two are those of the projected matrix.
    return_info : bool, default False
        Also return an `ExpmInfo`, which holds no graph.

    Returns
    -------
    Tensor, shape (..., n, n)
        Of the dtype of A.

    Raises
    ------
    ValueError, TypeError
        As `randla.expm`.

    Notes
    -----
    The backward pass is one derivative of the same scheme, three exponentials; its error does not
    depend on the size of the incoming gradient.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], requires_grad=True)
    >>> randla.torch.expm(A)[0, 1].backward()  # sin(1) for this rotation
    >>> A.grad
    tensor([[0.4207, 0.6909],
            [0.1506, 0.4207]])
    """
    if A.device.type not in _HERE:
        return randla.expm(A, tol=tol, assume=assume, return_info=return_info)
    validate.square("A", A.shape)
    if assume is not None:
        validate.option("assume", assume, binding.ASSUME)
    value = validate.tolerance(tol)
    working = _working("A", A.dtype)
    if assume == "metzler" and working.is_complex:
        raise TypeError(f"assume='metzler' is for real matrices; A has dtype {A.dtype}")
    X = A if A.dtype == working else A.to(working)
    E = _function(X, 0, value, assume or "")
    E = E if A.dtype == working else E.to(_result(A.dtype))
    if not return_info:
        return E
    return E, _report(lambda x: randla.expm(x, tol=tol, assume=assume, return_info=True), X)


def _report(call: Any, *tensors: Tensor) -> Any:
    """What a function of the core says of the memory of tensors, beside its result."""
    plain = [x.detach().resolve_conj().resolve_neg() for x in tensors]
    if not on_gpu(plain[0]):
        return call(*(x.numpy() for x in plain))[1]
    with stream(plain[0]):
        return call(*(memory(x) for x in plain))[1]


def expm_frechet(A: Tensor, E: Tensor, *, compute_expm: bool = True) -> Any:
    """Derivative of the matrix exponential at A in the direction E: `randla.expm_frechet`.

    Parameters
    ----------
    A, E : Tensor, shape (..., n, n)
        Of one dtype; batches broadcast.
    compute_expm : bool, default True
        Also return ``exp(A)``.

    Returns
    -------
    ExpmFrechetResult or Tensor
        ``(expm, frechet)``, or `frechet` alone; differentiable by both, to every order.

    Raises
    ------
    ValueError, TypeError
        As `randla.expm_frechet`; also for tensors of different dtypes or devices.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A, E = torch.zeros(2, 2), torch.ones(2, 2)
    >>> randla.torch.expm_frechet(A, E).frechet  # at zero, exp changes as its argument
    tensor([[1., 1.],
            [1., 1.]])
    """
    dtype = _one_dtype(A=A, E=E)
    if A.device.type not in _HERE:
        return randla.expm_frechet(A, E, compute_expm=compute_expm)
    a, e = tuple(A.shape), tuple(E.shape)
    validate.square("A", a)
    validate.square("E", e)
    if a[-1] != e[-1]:
        raise ValueError(f"A and E must be matrices of one size, got shapes {a} and {e}")
    batch = validate.broadcast(("A", a[:-2]), ("E", e[:-2]))
    working = _working("A", dtype)
    X, D = A.to(working), E.to(working)
    L = _derivative(X, D, 0, False).to(_result(dtype))
    if not compute_expm:
        return L
    value = _function(X, 0, 0.0, "").to(_result(dtype))
    return randla.ExpmFrechetResult(value.expand(*batch, *a[-2:]), L)


def expm_multiply(
    A: Tensor, B: Tensor, *, t: Any = None, tol: float | None = None, return_info: bool = False
) -> Any:
    """Action of the matrix exponential, ``exp(t A) @ B``: `randla.expm_multiply`.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        Dense matrices.
    B : Tensor, shape (n,) or (..., n, p)
        Of the dtype of A; batches broadcast.
    t : number or 1-d array_like, optional
        As for `randla.expm_multiply`; it has no gradient.
    tol : float, optional
        As for `randla.expm_multiply`.
    return_info : bool, default False
        Also return an `ExpmMultiplyInfo`.

    Returns
    -------
    Tensor
        As `randla.expm_multiply`; differentiable by A and B, to every order.

    Raises
    ------
    ValueError, TypeError
        As `randla.expm_multiply`; also for tensors of different dtypes or devices.

    Examples
    --------
    >>> import torch, randla.torch
    >>> A = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    >>> randla.torch.expm_multiply(A, torch.tensor([1.0, 2.0]), t=[0.0, 1.0, 2.0])
    tensor([[1., 2.],
            [3., 2.],
            [5., 2.]])
    """
    dtype = _one_dtype(A=A, B=B)
    if A.device.type not in _HERE:
        return randla.expm_multiply(A, B, t=t, tol=tol, return_info=return_info)
    value = validate.tolerance(tol)
    a, b = tuple(A.shape), tuple(B.shape)
    validate.factors(a, b)
    batch = validate.broadcast(("A", a[:-2]), ("B", b[:-2]))
    working, result = _working("A", dtype), _result(dtype)
    times = _times(t)
    if any(isinstance(x, complex) for x in (times if isinstance(times, list) else [times])):
        working, result = (torch.promote_types(x, torch.complex64) for x in (working, result))
    X, Y = A.to(working), B.to(working)
    Y = Y.unsqueeze(-1) if len(b) == 1 else Y
    if isinstance(times, list):
        X = X.expand(*batch, *a[-2:])
        X = torch.stack([X * x for x in times]) if times else X.new_empty((0, *X.shape))
    elif times is not None:
        X = X * times
    F = _multiply(X, Y, value)
    F = (F.squeeze(-1) if len(b) == 1 else F).to(result)
    if not return_info:
        return F

    def call(*given: Any) -> Any:
        return randla.expm_multiply(*given, t=t, tol=tol, return_info=True)

    return F, _report(call, A.to(working), B.to(working))


def phi(A: Tensor, k: int, *, tol: float | None = None, return_info: bool = False) -> Any:
    """Function phi_k of a tensor: `randla.phi`, and derivatives of every order.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        Matrices as for `expm`.
    k : int
        Index, from 0 to 100.
    tol : float, optional
        As for `randla.phi`; gradients do not depend on it.
    return_info : bool, default False
        Also return an `ExpmInfo`.

    Returns
    -------
    Tensor, shape (..., n, n)
        Of the dtype of A.

    Raises
    ------
    ValueError, TypeError
        As `randla.phi`.

    Examples
    --------
    >>> import torch, randla.torch
    >>> randla.torch.phi(torch.zeros(2, 2), 3)  # I / 3!
    tensor([[0.1667, 0.0000],
            [0.0000, 0.1667]])
    """
    k = validate.integer("k", k)
    validate.inside("k", k, 0, binding.MAX_K)
    if A.device.type not in _HERE:
        return randla.phi(A, k, tol=tol, return_info=return_info)
    validate.square("A", tuple(A.shape))
    value = validate.tolerance(tol)
    X = A.to(_working("A", A.dtype))
    F = _function(X, k, value, "").to(_result(A.dtype))
    if not return_info:
        return F
    return F, _report(lambda x: randla.phi(x, k, tol=tol, return_info=True), X)
