"""Matrix exponential: the public function, its checks, and the reference implementation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._core import dispatch, validate
from ._core.results import report


@dataclass(frozen=True)
class ExpmInfo:
    """What `expm` did: numbers for one matrix, arrays of the batch's shape for a batch.

    Attributes
    ----------
    order : int or ndarray
        Order of the Taylor scheme: 1, 2, 4, 8, 15 or 21; 0 where the result has a closed form.
    scaling : int or ndarray
        s: the scheme was applied to ``A / 2**s`` and its result squared s times.
    products : int or ndarray
        Matrix products of that scheme and of the squarings.
    error_bound : float or ndarray
        Truncation: the result is ``exp(A + dA)``, but for rounding, with
        ``norm(dA) <= error_bound * max(1, norm(A))`` in the 1-norm or the infinity-norm.
        NaN where A is not finite.
    """

    order: Any
    scaling: Any
    products: Any
    error_bound: Any


def expm(
    A: Any,
    *,
    tol: float | None = None,
    assume: str | None = None,
    out: Any = None,
    return_info: bool = False,
) -> Any:
    """Matrix exponential of one square matrix, or of each in a batch.

    Parameters
    ----------
    A : array_like, shape (..., n, n)
        Real or complex matrices, of any strides: an array of NumPy, CuPy or torch, or any array
        with an array-API namespace (JAX outside of ``jit``; it runs on its own operations).
        float16 and bfloat16 are computed in float32 and returned as they came; integers and bool
        become float64.  Not modified.
    tol : float, optional
        Bound of the relative backward error of truncation, inside (0, 1).  Default: the unit
        roundoff of the dtype that computes, which smaller values mean too.  A looser `tol` needs
        fewer products.
    assume : {None, "hermitian", "skew", "triangular", "metzler"}, optional
        A promise about every matrix, which is checked, and whose structure the result keeps:

        - ``"hermitian"``, ``"skew"``: ``A`` equals plus or minus its conjugate transpose within
          10 roundings of its largest entry; the projection is used.  The result is exactly
          Hermitian, or unitary to a few roundings.
        - ``"triangular"``: upper or lower; exact zeros stay.
        - ``"metzler"``: real, with off-diagonal entries >= 0, as in every generator of a Markov
          chain.  The result has no negative entry, each entry is relatively accurate, however
          small, and its rows (columns) sum to 1 where those of `A` sum to 0.

        Without a promise, only exactly triangular, diagonal and zero matrices are looked for.
    out : ndarray, optional
        Where a result of NumPy or CuPy goes: same shape and dtype as the result, any strides, no
        overlap with `A`.  Undefined after an error.
    return_info : bool, default False
        Also return an `ExpmInfo`.

    Returns
    -------
    E : array, shape (..., n, n)
        ``exp(A)``, in the type of `A`.  A matrix with a NaN or an infinity gives NaN, and leaves
        the others alone: the bits of a result depend on its own matrix only, never on the batch.
    info : ExpmInfo
        Only if `return_info`.

    Raises
    ------
    ValueError
        If `A` is not square, `assume` is unknown or broken, `tol` is outside (0, 1), or `out` has
        the wrong shape, is read-only or overlaps `A`.
    TypeError
        If a dtype is not supported, or `A` is a masked array, a matrix or a JAX tracer.
    MemoryError
        If a work array does not fit.

    See Also
    --------
    scipy.linalg.expm : Pade approximation, one matrix after the other.

    Notes
    -----
    Taylor polynomials of order 1, 2, 4, 8, 15 or 21, evaluated with 0, 1, 2, 3, 4 or 5 products
    [1]_ [2]_, after scaling by a power of two; order and scaling are chosen for each matrix from
    norms of A and of its square by a rigorous bound of the backward error.  The cost is
    ``2 n**3`` flops for each of ``info.products``: at most 5 for norms up to 1.6, and one more for
    each doubling beyond [3]_; ``"metzler"`` takes some ten more, ``"skew"`` two to reach the
    nearest unitary matrix.

    If many multiples ``t * Q`` of one diagonalizable matrix are wanted, one eigendecomposition is
    cheaper than any function of this kind.

    References
    ----------
    .. [1] J. Sastre, K. Faronbi, J. M. Alonso, P. Traver, J. Ibanez, N. Lloret, "Improving matrix
       exponential for generative AI flows: a Taylor-based approach beyond Paterson-Stockmeyer",
       arXiv:2512.20777.
    .. [2] J. Sastre, J. Ibanez, E. Defez, "Boosting the computation of the matrix exponential",
       Appl. Math. Comput. 340 (2019), 206-220, doi:10.1016/j.amc.2018.08.017.
    .. [3] A. H. Al-Mohy, N. J. Higham, "A new scaling and squaring algorithm for the matrix
       exponential", SIAM J. Matrix Anal. Appl. 31 (2009), 970-989, doi:10.1137/09074721X.

    Examples
    --------
    >>> import numpy as np, randla
    >>> A = np.array([[0.0, np.pi / 2], [-np.pi / 2, 0.0]])  # a quarter turn
    >>> randla.expm(A).round(12) + 0.0
    array([[ 0.,  1.],
           [-1.,  0.]])

    A batch, with a report for each matrix:

    >>> E, info = randla.expm(np.stack([A, 8 * A, 0 * A]), return_info=True)
    >>> info.order, info.scaling
    (array([21, 21,  0], dtype=int32), array([0, 3, 0], dtype=int32))

    Transition probabilities of a Markov chain, none of them negative:

    >>> Q = np.array([[-1.0, 1.0, 0.0], [0.0, -1e-9, 1e-9], [0.0, 0.0, 0.0]])
    >>> P = randla.expm(Q, assume="metzler")
    >>> bool((P >= 0).all()), P.sum(axis=1)
    (True, array([1., 1., 1.]))
    """
    kind = dispatch.kind_of(A)
    if kind == "numpy":
        return _expm_numpy(A, tol, assume, out, return_info)
    if kind in ("sequence", "subclass", "tracer"):
        return _expm_numpy(validate.as_array("A", A, kind), tol, assume, out, return_info)
    if kind == "cupy":
        return _expm_cupy(A, tol, assume, out, return_info)
    if out is not None:
        raise TypeError(f"out is for arrays of NumPy and CuPy; A is a {type(A).__name__}")
    adapter = dispatch.adapter(A)
    if adapter is not None:
        return adapter.expm(A, tol=tol, assume=assume, return_info=return_info)
    return _expm_reference(A, tol, assume, return_info)


def _expm_numpy(
    A: np.ndarray, tol: float | None, assume: str | None, out: Any, return_info: bool
) -> Any:
    shape = A.shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        validate.square("A", shape)
    n = shape[-1]
    tol = 0.0 if tol is None else validate.tolerance(tol)
    if assume is None and out is None and not return_info and validate.is_packed(A):
        run = _direct().get(A.dtype)
        if run is not None:  # the short way: for one small matrix, overhead is what there is
            E = np.empty(shape, A.dtype)
            run(A, E, n, tol, 0, None)
            return E

    char = validate.compute_char("A", A.dtype)
    binding = dispatch.backend("numpy").expm
    code = 0
    if assume is not None:
        validate.option("assume", assume, binding.ASSUME)
        if assume == "metzler" and char in "FD":
            raise TypeError(f"assume='metzler' is for real matrices; A has dtype {A.dtype}")
        code = binding.ASSUME[assume]
    narrow = A.dtype.char == "e" or A.dtype.name == "bfloat16"
    wanted = A.dtype if narrow else np.dtype(char)
    if out is not None:
        validate.output(out, shape, wanted, A)

    validate.fits_memory("A", shape, np.dtype(char))
    a = validate.packed(A, char)
    direct = out is not None and out.dtype == char and validate.is_packed(out)
    E = out if direct else np.empty(shape, dtype=char)
    info = np.zeros(math.prod(shape[:-2]), dtype=binding.INFO) if return_info else None
    try:
        binding.EXPM[char](a, E, n, tol, code, info)
    except binding.BrokenPromise as broken:
        where = np.unravel_index(broken.args[0], shape[:-2]) if shape[:-2] else ()
        _raise_broken(assume, tuple(int(i) for i in where))
    if out is not None and not direct:
        out[...] = E
        E = out
    elif E.dtype != wanted:
        E = E.astype(wanted)
    return E if info is None else (E, report(ExpmInfo, info, shape[:-2]))


_DIRECT: dict[np.dtype, Any] = {}


def _direct() -> dict[np.dtype, Any]:
    """Kernels by the native dtypes that compute as they are."""
    if not _DIRECT:
        table = dispatch.backend("numpy").expm.EXPM
        _DIRECT.update((np.dtype(char), run) for char, run in table.items())
    return _DIRECT


_PROMISES = {
    "hermitian": "A must equal its conjugate transpose within 10 roundings",
    "skew": "A must equal minus its conjugate transpose within 10 roundings",
    "triangular": "A must have only zeros on one side of the diagonal",
    "metzler": "the off-diagonal entries of A must be >= 0",
}


def _raise_broken(assume: str | None, where: tuple[int, ...]) -> None:
    matrix = f"matrix {where} of the batch does" if where else "A does"
    promise = _PROMISES[str(assume)]
    raise ValueError(f"assume={assume!r} is broken: {promise}; {matrix} not") from None


def _expm_cupy(A: Any, tol: float | None, assume: str | None, out: Any, return_info: bool) -> Any:
    """Small matrices by a kernel; larger ones and promises by the reference, on cuBLAS."""
    backend = dispatch.backend("cupy")
    shape = tuple(A.shape)
    validate.square("A", shape)
    value = validate.tolerance(tol)
    validate.option("assume", assume, dispatch.backend("numpy").expm.ASSUME)
    char = validate.compute_char("A", A.dtype)
    dtype = A.dtype if A.dtype.char == "e" else np.dtype(char)
    if out is not None:
        validate.output(out, shape, dtype, A)
    if assume is None and backend.expm.serves(shape[-1], char) and 0 not in shape:
        E, table = backend.expm.expm(A, char, value, return_info)
        E = E.astype(dtype, copy=False).reshape(shape)
        info = report(ExpmInfo, table, shape[:-2]) if return_info else None
    else:
        E, info = _expm_reference(A, tol, assume, True)
    if out is not None:
        out[...] = E
        E = out
    return (E, info) if return_info else E


# ---- reference -----------------------------------------------------------------------------------
#
# The same algorithm in array-API operations: for libraries without kernels of ours, under their own
# automatic differentiation, and as a test of the kernels.  Decisions come from the core's rule.


def _expm_reference(A: Any, tol: float | None, assume: str | None, return_info: bool) -> Any:
    xp = dispatch.namespace(A)
    binding = dispatch.backend("numpy").expm
    shape = tuple(A.shape)
    validate.square("A", shape)
    validate.option("assume", assume, binding.ASSUME)
    tol = validate.tolerance(tol)
    dtype, working = _working_dtype(xp, "A", A.dtype)
    A = xp.astype(A, working)
    if assume == "metzler" and _is_complex(xp, A):
        raise TypeError(f"assume='metzler' is for real matrices; A has dtype {dtype}")
    single = A.dtype in (xp.float32, xp.complex64)

    n, batch = shape[-1], shape[:-2]
    table = np.zeros(math.prod(batch), dtype=binding.INFO)
    if 0 in shape:
        E = A + 0
    else:
        X = xp.reshape(A, (-1, n, n))
        _check_promise(xp, X, assume, 2.0**-24 if single else 2.0**-53, batch)
        E = xp.reshape(_reference_batch(xp, X, tol, assume, single, table), shape)
    E = xp.astype(E, dtype)
    return (E, report(ExpmInfo, table, batch)) if return_info else E


def _working_dtype(xp: Any, name: str, dtype: Any) -> tuple[Any, Any]:
    """Dtype of the result of an argument of this dtype, and the dtype that computes."""
    if xp.isdtype(dtype, ("bool", "integral")):
        dtype = xp.float64
    working = xp.float32 if "float16" in str(dtype) else dtype  # float16, bfloat16
    if not xp.isdtype(working, ("real floating", "complex floating")):
        raise TypeError(f"{name} has dtype {dtype}; expected a real or complex floating type")
    return dtype, working


def _is_complex(xp: Any, A: Any) -> bool:
    return bool(xp.isdtype(A.dtype, "complex floating"))


def _adjoint(xp: Any, A: Any) -> Any:
    T = xp.matrix_transpose(A)
    return xp.conj(T) if _is_complex(xp, A) else T


def _check_promise(xp: Any, X: Any, assume: str | None, unit: float, batch: Any) -> None:
    """Raise if one matrix breaks the promise; NaN passes."""
    if assume is None:
        return
    values = dispatch.to_numpy(X)
    if assume in ("hermitian", "skew"):
        sign = 1 if assume == "hermitian" else -1
        off = np.abs(values - sign * np.conj(np.swapaxes(values, -1, -2))).max((-1, -2))
        broken = off > 10 * unit * np.abs(values).max((-1, -2))
    elif assume == "triangular":
        lower = (np.tril(values, -1) != 0).any((-1, -2))
        upper = (np.triu(values, 1) != 0).any((-1, -2))
        broken = lower & upper & ~np.isnan(values).any((-1, -2))
    else:
        broken = ((values < 0) & ~np.eye(values.shape[-1], dtype=bool)).any((-1, -2))
    if broken.any():
        where = np.unravel_index(int(np.argmax(broken)), batch) if batch else ()
        _raise_broken(assume, tuple(int(i) for i in where))


def _reference_batch(
    xp: Any, X: Any, tol: float, assume: str | None, single: bool, table: np.ndarray
) -> Any:
    """exp of X, shape (b, n, n); fills the report."""
    if assume == "metzler":
        return _reference_metzler(xp, X, tol, single, table)
    if assume in ("hermitian", "skew"):
        X = (X + _adjoint(xp, X)) / 2 if assume == "hermitian" else (X - _adjoint(xp, X)) / 2

    eye = xp.eye(X.shape[-1], dtype=X.dtype, device=_device(X))

    def prepare(safe: Any, norm: Any) -> tuple[Any, list[Any], Any]:
        """Structure, and the shift of expm_rule.h: exp(A) = e^mu exp(A - mu I)."""
        # closed forms: a triangular matrix has the exponentials of its diagonal on its own
        lower, upper = xp.tril(safe, k=-1), xp.triu(safe, k=1)
        no_lower = xp.all(xp.reshape(lower == 0, (X.shape[0], -1)), axis=-1)
        no_upper = xp.all(xp.reshape(upper == 0, (X.shape[0], -1)), axis=-1)
        diagonal = xp.sum(safe * eye, axis=-1)  # (b, n)
        mu = xp.mean(xp.real(diagonal) if _is_complex(xp, X) else diagonal, axis=-1)
        size = xp.abs(mu)
        candidate = safe - xp.astype(mu, X.dtype)[:, None, None] * eye
        fallen = _norms(xp, candidate) < 0.9 * norm
        # beyond the limit stand huge norms too
        near = (size >= 0.25 * norm) & (size + norm < (75.0 if single else 600.0))
        worth = near & fallen & ~(no_lower | no_upper)
        mu = xp.where(worth, mu, xp.zeros_like(mu))
        safe = xp.where(worth[:, None, None], candidate, safe)
        triangular = (no_lower | no_upper)[:, None, None]
        return safe, [xp.astype(no_lower & no_upper, norm.dtype)], (triangular, diagonal, mu)

    found = _survey(xp, X, single, prepare)
    safe, square, huge = found.safe, found.square, found.huge
    triangular, diagonal, mu = found.extras
    b1, b2, diagonal_alone = found.numbers
    _select(b1, b2, tol, single, table)
    scaling = table["scaling"].astype(np.int64)
    scaled = safe * _column(xp, np.ldexp(1.0, -scaling), safe)
    square = square * _column(xp, np.ldexp(1.0, -2 * scaling), safe)
    E = _polynomial(xp, scaled, square, table["order"])

    total = scaling + huge

    def polish(E: Any) -> Any:
        """One step of Newton and Schulz towards the nearest unitary matrix."""
        return E - E @ (_adjoint(xp, E) @ E - eye) / 2

    for t in range(int(total.max(initial=0)) + 1):
        if t:
            more = _mask(xp, total >= t, E)
            E = xp.where(more, E @ E, E)
            if assume == "skew" and t % 4 == 0:
                E = xp.where(more, polish(E), E)
        # exp of the diagonal of A / 2^(total - t), for those that are still being squared
        factor = np.ldexp(1.0, huge - np.maximum(total - t, 0))
        exact = xp.exp(diagonal * _column(xp, factor, E)[:, :, 0])
        E = xp.where(triangular & (eye != 0), exact[:, :, None] * eye, E)
    E = E * xp.astype(xp.exp(mu), X.dtype)[:, None, None]
    closed = (diagonal_alone != 0) | (X.shape[-1] == 1)
    for name in ("order", "scaling", "products", "error_bound"):
        table[name][closed] = 0
    table["error_bound"][~found.finite] = np.nan
    table["scaling"] += np.where(closed, 0, huge).astype(np.int32)
    table["products"] += np.where(closed, 0, huge).astype(np.int32)

    if assume == "hermitian":
        E = (E + _adjoint(xp, E)) / 2
    elif assume == "skew":
        E = polish(E)
    return xp.where(found.stands, E, xp.full_like(E, float("nan")))


@dataclass(frozen=True)
class _Found:
    """What `_survey` saw of matrices X; on the host what decides, the rest where X is."""

    safe: Any  # X / 2**huge, 0 where X is not finite
    square: Any  # of `safe`
    stands: Any  # mask (b, 1, 1) of the finite ones
    finite: np.ndarray  # the same
    huge: np.ndarray  # 0 where squares are representable
    numbers: list[
        np.ndarray
    ]  # norms of `safe` and `square` in float64; what `prepare` wants to know
    extras: Any  # of `prepare`


def _survey(xp: Any, X: Any, single: bool, prepare: Any = None) -> _Found:
    """Look at matrices in one wait for the device they are on, or two if norms are huge.

    prepare(safe, norms) -> what takes the place of `safe`, more numbers to fetch, extras.
    """
    big = 2.0**60 if single else 2.0**500
    huge = np.zeros(X.shape[0], dtype=np.int64)
    while True:
        safe = X * _column(xp, np.ldexp(1.0, -huge), X) if huge.any() else X
        size = _norms(xp, safe)
        stands = (size <= big)[:, None, None]  # in the last round: the finite ones
        safe = xp.where(stands, safe, xp.zeros_like(X))
        norm = xp.where(stands[:, 0, 0], size, xp.zeros_like(size))
        more: list[Any] = []
        extras = None
        if prepare is not None:
            safe, more, extras = prepare(safe, norm)
            norm = _norms(xp, safe)
        square = safe @ safe
        fetched = dispatch.to_numpy(xp.stack([size, norm, _norms(xp, square), *more]))
        host = fetched.astype(np.float64)
        finite = np.isfinite(host[0])
        exponent = np.maximum(np.frexp(np.where(finite, host[0], 0))[1], 0)
        beyond = finite & (host[0] > big)
        if not beyond.any():
            return _Found(safe, square, stands, finite, huge, list(host[1:]), extras)
        huge = np.where(beyond, exponent, 0)


def _norms(xp: Any, X: Any) -> Any:
    """The 1-norms."""
    return xp.max(xp.sum(xp.abs(X), axis=-2), axis=-1)


def _device(X: Any) -> Any:
    from array_api_compat import device

    return device(X)


def _mask(xp: Any, values: np.ndarray, like: Any) -> Any:
    """Booleans of NumPy as a (b, 1, 1) array of `xp`."""
    return xp.asarray(values.tolist(), dtype=xp.bool, device=_device(like))[:, None, None]


def _column(xp: Any, values: np.ndarray, like: Any) -> Any:
    """Numbers of NumPy as a (b, 1, 1) real array that multiplies `like`."""
    return xp.asarray(values.tolist(), dtype=like.dtype, device=_device(like))[:, None, None]


def _select(
    b1: np.ndarray,
    b2: np.ndarray,
    tol: float,
    single: bool,
    table: np.ndarray,
    derivative: bool = False,
) -> None:
    dispatch.backend("numpy").expm.select(b1, b2, tol, single, table, derivative)


def _by_order(xp: Any, order: np.ndarray, evaluate: Any, *arrays: Any) -> Any:
    """evaluate(m, *arrays) for the matrices of each order m; those of one order go together."""
    parts, places = [], []
    for m in np.unique(order):
        at = np.flatnonzero(order == m)
        index = xp.asarray(at.tolist(), dtype=xp.int32, device=_device(arrays[0]))
        parts.append(evaluate(int(m), *(xp.take(X, index, axis=0) for X in arrays)))
        places.append(at)
    back = np.argsort(np.concatenate(places)).tolist()
    index = xp.asarray(back, dtype=xp.int32, device=_device(arrays[0]))
    return xp.take(xp.concat(parts, axis=0), index, axis=0)


def _polynomial(xp: Any, A: Any, A2: Any, order: np.ndarray) -> Any:
    """The scheme of each matrix's order; A2 is A @ A."""
    schemes = dispatch.backend("numpy").expm.SCHEMES

    def evaluate(m: int, A: Any, A2: Any) -> Any:
        return _scheme(xp, A, A2, m, schemes[m if m in schemes else 1][0])

    return _by_order(xp, order, evaluate, A, A2)


def _scheme(xp: Any, A: Any, A2: Any, m: int, c: list[float], linear: float = 1.0) -> Any:
    """One formula for all orders; expm_rule.h has it order by order.  linear: coefficient of A."""
    A3 = A2 @ A if m == 21 else A2  # C14 to C19 are 0 below order 21
    y0 = A3 @ (c[14] * A3 + c[0] * A2 + c[1] * A) if m >= 4 else 0 * A
    y1 = c[5] * y0 + c[17] * A3 + c[6] * A2
    if m >= 8:
        left = y0 + c[15] * A3 + c[2] * A2 + c[3] * A
        y1 = left @ (y0 + c[16] * A3 + c[4] * A2) + y1
    p = c[11] * y1 + c[12] * y0 + c[19] * A3 + c[13] * A2 + linear * A
    if m >= 15:
        p = (y1 + c[18] * A3 + c[7] * A2 + c[8] * A) @ (y1 + c[9] * y0 + c[10] * A) + p
    return p + xp.eye(A.shape[-1], dtype=A.dtype, device=_device(A))


def _reference_metzler(xp: Any, X: Any, tol: float, single: bool, table: np.ndarray) -> Any:
    """exp of Metzler matrices from numbers >= 0; expm_general.inc has the reasons."""
    n = X.shape[-1]
    unit = 2.0**-24 if single else 2.0**-53
    eye = xp.eye(n, dtype=X.dtype, device=_device(X))
    mu = xp.min(xp.sum(X * eye, axis=-1), axis=-1)[:, None, None]
    B = X - mu * eye
    b1 = dispatch.to_numpy(_norms(xp, B)).astype(np.float64)
    finite = np.isfinite(b1)
    b1 = np.where(finite, b1, 0.0)
    s = np.empty(len(b1), dtype=np.int64)
    for i, b in enumerate(b1):
        s[i] = _metzler_scaling(float(b), n, max(tol, unit))
    table["order"], table["scaling"], table["products"] = 8, s, 3 + s
    table["error_bound"] = np.where(finite, max(tol, unit), np.nan)
    B = B * _column(xp, np.ldexp(1.0, -s), B)
    T = _scheme(xp, B, B @ B, 8, dispatch.backend("numpy").expm.SCHEMES[8][0]) - eye
    m = mu * _column(xp, np.ldexp(1.0, -s), B)
    F = xp.exp(m) * T + xp.expm1(m) * eye  # E - I

    def sums_to_zero(axis: int) -> Any:
        small = xp.abs(xp.sum(X, axis=axis)) <= n * unit * xp.sum(xp.abs(X), axis=axis)
        return xp.all(small, axis=-1)[:, None, None]

    rows = sums_to_zero(-1)
    columns = sums_to_zero(-2) & ~rows

    def conserve(F: Any) -> Any:
        off = F * (1 - eye)
        by_row = off - xp.sum(off, axis=-1, keepdims=True) * eye
        by_column = off - xp.sum(off, axis=-2, keepdims=True) * eye
        return xp.where(rows, by_row, xp.where(columns, by_column, F))

    def normalise(E: Any) -> Any:
        by_row = E / xp.sum(E, axis=-1, keepdims=True)
        by_column = E / xp.sum(E, axis=-2, keepdims=True)
        return xp.where(rows, by_row, xp.where(columns, by_column, E))

    F = conserve(F)
    E = normalise(F + eye)
    for t in range(int(s.max(initial=0))):
        more = _mask(xp, s > t, E)
        near = xp.max(xp.abs(xp.sum(F * eye, axis=-1)), axis=-1)[:, None, None] <= 0.25
        F = xp.where(more & near, conserve(2 * F + F @ F), F)
        E = xp.where(more, xp.where(near, normalise(F + eye), normalise(E @ E)), E)
    return xp.where(_mask(xp, finite, E), E, xp.full_like(E, float("nan")))


def _metzler_scaling(b: float, n: int, tol: float) -> int:
    """Squarings for T8: what the norm asks, and what entries of many steps ask."""
    row = np.zeros(1, dtype=dispatch.backend("numpy").expm.INFO)
    s = 0
    while True:  # T8 alone: its own acceptance, by the rule's order at norm b / 2^s
        x = b / 2.0**s
        _select(np.array([x]), np.array([x * x]), tol, False, row)
        if row["order"][0] <= 8 and row["scaling"][0] == 0:
            break
        s += 1
    steps = n + 2 * b
    if steps >= 9:
        s = max(s, math.ceil((math.log2(1 / tol) + 9 * math.log2(steps) - 18.469) / 8))
    return s
