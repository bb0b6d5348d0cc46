"""Derivative of the matrix exponential: the public function, and the reference implementation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._core import dispatch, validate
from ._core.results import Result
from ._expm import _column, _mask, _polynomial, _select, _survey, _working_dtype


class ExpmFrechetResult(Result):
    """``(expm, frechet)``: exp(A), and its derivative at A in the direction E."""

    _fields = ("expm", "frechet")
    _extras = ()


def expm_frechet(A: Any, E: Any, *, compute_expm: bool = True) -> Any:
    """Frechet derivative of the matrix exponential at A in the direction E.

    The linear map ``E -> L(A, E)`` with ``exp(A + E) = exp(A) + L(A, E) + O(norm(E)**2)``.

    Parameters
    ----------
    A : array_like, shape (..., n, n)
        Real or complex matrices, as for `expm`.
    E : array_like, shape (..., n, n)
        Directions, of any size; batches broadcast against those of `A`.  The two dtypes are
        promoted to a common one.
    compute_expm : bool, default True
        Also return ``exp(A)``, which comes for nothing.

    Returns
    -------
    ExpmFrechetResult
        ``(expm, frechet)``, two arrays of shape (..., n, n); the array `frechet` alone if not
        `compute_expm`.  A matrix with a NaN or an infinity in A gives NaN in both, and leaves the
        others alone.

    Raises
    ------
    ValueError
        If `A` or `E` is not square, or their shapes do not fit.
    TypeError
        If a dtype is not supported, or the two are arrays of different libraries.
    MemoryError
        If a work array does not fit.

    See Also
    --------
    expm : The exponential alone.
    scipy.linalg.expm_frechet : One matrix at a time.

    Notes
    -----
    The derivative of the very scheme that `expm` uses: each product ``X Y`` of it becomes the three
    products ``X Y``, ``dX Y + X dY``.  Order and scaling depend on `A` alone, so the error does not
    grow with the size of `E` [1]_; below norm 1 they are a little stricter than those of `expm`.
    The result is exact, but for rounding, for ``A + dA`` and ``E + dE`` with
    ``norm(dA) <= u norm(A)`` and ``norm(dE) <= (order + 1) u norm(E)``.

    Cost: three times that of `expm`.

    References
    ----------
    .. [1] A. H. Al-Mohy, N. J. Higham, "Computing the Frechet derivative of the matrix exponential,
       with an application to condition number estimation", SIAM J. Matrix Anal. Appl. 30 (2009),
       1639-1657, doi:10.1137/080716426.

    Examples
    --------
    >>> import numpy as np, randla
    >>> A = np.diag([0.0, 1.0])
    >>> E = np.array([[0.0, 1.0], [0.0, 0.0]])
    >>> randla.expm_frechet(A, E).frechet  # the divided difference of exp between 0 and 1
    array([[0.        , 1.71828183],
           [0.        , 0.        ]])
    """
    arrays = validate.numpy_arrays(A=A, E=E)
    if arrays is not None:
        pair = _frechet_numpy(arrays[0], arrays[1], compute_expm)
    else:
        adapter = dispatch.adapter(A)
        if adapter is not None:
            return adapter.expm_frechet(A, E, compute_expm=compute_expm)
        cupy = dispatch.kind_of(A) == "cupy"
        pair = _frechet_cupy(A, E, compute_expm) if cupy else _frechet_reference(A, E)
    return ExpmFrechetResult(*pair) if compute_expm else pair[1]


def _frechet_numpy(A: np.ndarray, E: np.ndarray, compute_expm: bool) -> tuple[Any, Any]:
    shape = _common_shape(A, E)
    n = shape[-1]
    dtype = validate.common_dtype(("A", A), ("E", E))
    char = validate.compute_char("A", dtype)
    validate.fits_memory("A", shape, np.dtype(char))
    if 0 in shape:
        return np.zeros(shape, dtype), np.zeros(shape, dtype)
    a, e = (validate.packed(np.broadcast_to(X, shape), char).reshape(-1, n, n) for X in (A, E))
    L = np.empty(shape, char)
    value = np.empty(shape, char) if compute_expm else None
    dispatch.backend("numpy").expm.frechet(
        a, e, 0.0, None if value is None else value.reshape(a.shape), L.reshape(a.shape)
    )
    if L.dtype != dtype:
        L = L.astype(dtype)
        value = None if value is None else value.astype(dtype)
    return value, L


def _frechet_cupy(A: Any, E: Any, compute_expm: bool) -> tuple[Any, Any]:
    shape = _common_shape(A, E)
    dtype = validate.common_dtype(("A", A), ("E", E))
    char = validate.compute_char("A", dtype)
    backend = dispatch.backend("cupy").expm
    if not backend.serves(shape[-1], char) or 0 in shape:
        return _frechet_reference(A, E)
    pair = backend.frechet(A, E, shape, char, compute_expm)
    value, L = (None if X is None else X.astype(dtype, copy=False) for X in pair)
    return value, L


def _common_shape(A: Any, E: Any) -> tuple[int, ...]:
    """Shape of the result: square matrices of one size, batches broadcast."""
    a, e = tuple(A.shape), tuple(E.shape)
    validate.square("A", a)
    validate.square("E", e)
    if a[-1] != e[-1]:
        raise ValueError(f"A and E must be matrices of one size, got shapes {a} and {e}")
    return (*validate.broadcast(("A", a[:-2]), ("E", e[:-2])), *a[-2:])


def _frechet_reference(A: Any, E: Any) -> tuple[Any, Any]:
    """Evaluate the scheme on [[A, E], [0, A]], with the order and the scaling of A alone.

    A polynomial p of that block matrix is [[p(A), L], [0, p(A)]], where L is the derivative of p.
    """
    xp = dispatch.namespace(A)
    shape = _common_shape(A, E)
    dtype, working = _working_dtype(xp, "A", xp.result_type(A, E))
    A, E = (xp.broadcast_to(xp.astype(X, working), shape) for X in (A, E))
    if 0 in shape:
        return xp.astype(A + 0, dtype), xp.astype(E + 0, dtype)
    n = shape[-1]
    single = working in (xp.float32, xp.complex64)
    X, D = xp.reshape(A, (-1, n, n)), xp.reshape(E, (-1, n, n))

    found = _survey(xp, X, single)
    safe, huge = found.safe, found.huge
    D = D * _column(xp, np.ldexp(1.0, -huge), X)
    table = np.zeros(math.prod(shape[:-2]), dtype=dispatch.backend("numpy").expm.INFO)
    b1, b2 = found.numbers
    _select(b1, b2, 0.0, single, table, True)
    scaling = table["scaling"].astype(np.int64)
    zero = xp.zeros_like(safe)
    Z = xp.concat([xp.concat([safe, D], axis=-1), xp.concat([zero, safe], axis=-1)], axis=-2)
    Z = Z * _column(xp, np.ldexp(1.0, -scaling), Z)
    Z = _polynomial(xp, Z, Z @ Z, table["order"])
    total = scaling + huge
    for t in range(int(total.max(initial=0))):
        Z = xp.where(_mask(xp, total > t, Z), Z @ Z, Z)
    nan = xp.full_like(safe, float("nan"))
    value, L = (
        xp.astype(xp.reshape(xp.where(found.stands, Y, nan), shape), dtype)
        for Y in (Z[:, :n, :n], Z[:, :n, n:])
    )
    return value, L
