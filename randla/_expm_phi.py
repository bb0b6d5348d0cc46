"""The phi-functions of matrices: the public function, and the reference implementation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._core import dispatch, validate
from ._core.results import report
from ._expm import (
    ExpmInfo,
    _by_order,
    _column,
    _device,
    _expm_reference,
    _mask,
    _scheme,
    _survey,
    _working_dtype,
    expm,
)


def phi(A: Any, k: int, *, tol: float | None = None, return_info: bool = False) -> Any:
    """Function phi_k of square matrices: what exponential integrators are made of.

    ``phi_0(A) = exp(A)``, and ``phi_k(A) = sum_i A**i / (i + k)!``: the value at 1 of the solution
    of ``y' = A y + t**(k-1) / (k-1)!``, ``y(0) = 0``.  For invertible A,
    ``phi_1(A) = inv(A) (exp(A) - I)``; nothing is inverted here, and nothing cancels for small A.

    Parameters
    ----------
    A : array_like, shape (..., n, n)
        Real or complex matrices; dtypes and libraries as for `expm`.  Not modified.
    k : int
        Index, from 0 to 100.
    tol : float, optional
        Bound of the relative backward error of truncation, inside (0, 1).  Default: the unit
        roundoff of the dtype that computes, which smaller values mean too.
    return_info : bool, default False
        Also return what was done for each matrix.

    Returns
    -------
    F : ndarray, shape (..., n, n)
        ``phi_k`` of each matrix.  A matrix with a NaN or an infinity gives NaN, and leaves the
        others alone.
    info : ExpmInfo
        Only if `return_info`.  `order` is the degree of the polynomial for phi_k(A / 2**scaling);
        `error_bound` also bounds the error of the source ``t**(k-1) / (k-1)!`` of the differential
        equation, relative to its integral.

    Raises
    ------
    ValueError
        If `A` is not square, or `k` or `tol` is out of range.
    TypeError
        If `k` is no integer, or a dtype is not supported.
    MemoryError
        If a work array does not fit.

    See Also
    --------
    expm : The exponential, which is phi_0.
    expm_multiply : ``exp(A) @ B`` without the exponential.

    Notes
    -----
    For k = 1 a scheme of order 1, 2, 4, 8 or 15+ with as many products as that of `expm` [1]_; for
    larger k Taylor's polynomial of degree 1 to 20 by Paterson and Stockmeyer.  Larger matrices are
    scaled by ``2**-s``; phi_0 to phi_k of the scaled one follow from ``phi_(j-1)(x) = x phi_j(x) +
    1 / (j-1)!``, and are then doubled s times by ``phi_k(2 x) = 2**-k (exp(x) phi_k(x) +
    sum_{j=1..k} phi_j(x) / (k-j)!)`` [2]_.  Errors of the steps are those of scaling and squaring
    for the exponential of a block matrix of n + k n rows, which is never formed.

    Cost: up to 7 products of n x n matrices for the polynomial (4 for k = 1), and k + 1 for each
    doubling of ``norm(A)`` beyond about 1 (float64; 2 for float32).
    Accuracy: a few units of roundoff, times the condition of phi_k at A, which grows with
    ``norm(A)`` as that of the exponential does.

    The adjoint of its derivative is ``rl_<p>phi_vjp`` in C.

    References
    ----------
    .. [1] J. Sastre et al., "Matrix exponential flows", arXiv:2512.20777.
    .. [2] B. Skaflestad, W. M. Wright, "The scaling and modified squaring method for matrix
       functions related to the exponential", Appl. Numer. Math. 59 (2009), 783-799,
       doi:10.1016/j.apnum.2008.03.035.

    Examples
    --------
    One step of the exponential Euler method for ``y' = A y + b`` is exact:

    >>> import numpy as np, randla
    >>> A, b, y = np.array([[-1e3, 1.0], [0.0, -1.0]]), np.array([1.0, 1.0]), np.zeros(2)
    >>> h = 0.5
    >>> y + h * randla.phi(h * A, 1) @ (A @ y + b)
    array([0.00139286, 0.39346934])
    """
    k = validate.integer("k", k)
    validate.inside("k", k, 0, dispatch.backend("numpy").expm.MAX_K)
    arrays = validate.numpy_arrays(A=A)
    if arrays is None:
        adapter = dispatch.adapter(A)
        if adapter is not None:
            return adapter.phi(A, k, tol=tol, return_info=return_info)
        if dispatch.kind_of(A) == "cupy":
            return _phi_cupy(A, k, tol, return_info)
        return _phi_reference(A, k, tol, return_info)
    A = arrays[0]
    shape = A.shape
    validate.square("A", shape)
    tol = validate.tolerance(tol)
    n = shape[-1]
    dtype = validate.common_dtype(("A", A))
    char = validate.compute_char("A", dtype)
    validate.fits_memory("A", shape, np.dtype(char))
    info = np.zeros(math.prod(shape[:-2]), dtype=dispatch.backend("numpy").expm.INFO)
    F = np.empty(shape, char)
    if F.size:
        a = validate.packed(A, char).reshape(-1, n, n)
        dispatch.backend("numpy").expm.phi(a, k, tol, F.reshape(a.shape), info)
    F = F.astype(dtype, copy=False)
    return (F, report(ExpmInfo, info, shape[:-2])) if return_info else F


def _phi_cupy(A: Any, k: int, tol: float | None, return_info: bool) -> Any:
    if k == 0:
        return expm(A, tol=tol, return_info=return_info)
    shape = tuple(A.shape)
    validate.square("A", shape)
    value = validate.tolerance(tol)
    dtype = validate.common_dtype(("A", A))
    char = validate.compute_char("A", dtype)
    backend = dispatch.backend("cupy")
    if not backend.expm.serves(shape[-1], char) or 0 in shape:
        return _phi_reference(A, k, tol, return_info)
    F, table = backend.expm_phi.phi(A, k, char, value, return_info)
    F = F.astype(dtype, copy=False).reshape(shape)
    return (F, report(ExpmInfo, table, shape[:-2])) if return_info else F


def _phi_reference(A: Any, k: int, tol: float | None, return_info: bool) -> Any:
    """Compute the same in array-API operations; decisions come from the core's rule."""
    if k == 0:
        return _expm_reference(A, tol, None, return_info)
    xp = dispatch.namespace(A)
    binding = dispatch.backend("numpy").expm
    shape = tuple(A.shape)
    validate.square("A", shape)
    tol = validate.tolerance(tol)
    dtype, working = _working_dtype(xp, "A", A.dtype)
    table = np.zeros(math.prod(shape[:-2]), dtype=binding.INFO)
    F = xp.astype(A, working)
    if 0 not in shape:
        X = xp.reshape(F, (-1, shape[-1], shape[-1]))
        F = xp.reshape(
            _phi_batch(xp, X, k, tol, working in (xp.float32, xp.complex64), table), shape
        )
    F = xp.astype(F, dtype)
    return (F, report(ExpmInfo, table, shape[:-2])) if return_info else F


def _phi_batch(xp: Any, X: Any, k: int, tol: float, single: bool, table: np.ndarray) -> Any:
    """phi_k of X, shape (b, n, n), k > 0; fills the report."""
    binding = dispatch.backend("numpy").expm
    found = _survey(xp, X, single)
    safe, square, huge = found.safe, found.square, found.huge
    b1, b2 = found.numbers
    binding.phi_select(b1, b2, k, tol, single, table)
    scaling = table["scaling"].astype(np.int64)
    x = safe * _column(xp, np.ldexp(1.0, -scaling), safe)
    x2 = square * _column(xp, np.ldexp(1.0, -2 * scaling), safe)
    scaling += huge
    table["scaling"] += huge.astype(np.int32)
    table["products"] += ((k + 1) * huge).astype(np.int32)
    eye = xp.eye(X.shape[-1], dtype=X.dtype, device=_device(X))
    if k == 1:
        schemes = binding.PHI1_SCHEMES
        top = _by_order(
            xp, table["order"], lambda m, x, x2: _scheme(xp, x, x2, m, schemes[m], 0.5), x, x2
        )
    else:
        blocks = binding.PHI_BLOCKS
        top = _by_order(
            xp, table["order"], lambda m, x, x2: _taylor(xp, x, x2, m, blocks[m], k, eye), x, x2
        )
    chi = [top]  # chi_j = j! phi_j, from j = k down to 0
    for j in range(k, 0, -1):
        chi.append(x @ chi[-1] / j + eye)
    chi.reverse()
    for t in range(int(scaling.max(initial=0))):
        more = _mask(xp, scaling > t, x)
        doubled = [chi[0] @ chi[0]]
        for m in range(1, k + 1):
            terms = sum(math.comb(m, j) * chi[j] for j in range(1, m + 1))
            doubled.append((chi[0] @ chi[m] + terms) / 2**m)
        chi = [xp.where(more, new, old) for new, old in zip(doubled, chi, strict=True)]
    table["error_bound"][~found.finite] = np.nan
    F = chi[k] / math.factorial(k)
    return xp.where(found.stands, F, xp.full_like(F, float("nan")))


def _taylor(xp: Any, x: Any, x2: Any, m: int, block: int, k: int, eye: Any) -> Any:
    """Sum of ``k! / (i + k)! x**i`` up to i = m, by Paterson and Stockmeyer."""
    c = [1 / math.perm(i + k, i) for i in range(m + 1)]
    powers = [eye, x, x2]
    while len(powers) <= block:
        powers.append(powers[-1] @ x)
    begin = m - block
    result = sum(c[begin + i] * powers[i] for i in range(block + 1))
    while begin > 0:
        begin -= block
        low = sum(c[begin + i] * powers[i] for i in range(block))
        result = result @ powers[block] + low
    return result
