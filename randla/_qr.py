"""QR factorisations: the public functions, their checks, and the reference implementation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ._core import dispatch, validate
from ._core.random import Stream, as_stream
from ._core.results import Result, per_matrix


@dataclass(frozen=True)
class QRInfo:
    """What a factorisation did: one value for one matrix, arrays of the batch's shape for a batch.

    Attributes
    ----------
    method : str or ndarray
        The path that gave the result: ``"cqrrpt"``, ``"cqrrt"``, ``"bqrrp"``, ``"cholqr2"``,
        ``"cholqr3"`` or ``"householder"``.
    attempts : int or ndarray
        How many were tried.
    cond_estimate : float or ndarray
        Condition number, in the 1-norm, of the last Cholesky factor; NaN without one.
    orth_estimate : float or ndarray
        Estimate of ``norm(Q^H Q - I) / sqrt(columns)`` by random probes; NaN after Householder's
        method, which needs none.
    residual_estimate : float or ndarray
        Estimate of ``norm(A[:, P] - Q R) / norm(A)``, truncation included; NaN after Householder's
        method, unless it was truncated.
    """

    method: Any
    attempts: Any
    cond_estimate: Any
    orth_estimate: Any
    residual_estimate: Any


class QRResult(Result):
    """Result of `qr` and `cholesky_qr`; unpacks as ``Q, R``.

    Attributes
    ----------
    Q : array or None
        Orthonormal columns.
    R : array
        Upper triangular, with a real diagonal >= 0.
    rank : int or ndarray
        Diagonal entries of R that are larger than ``rtol`` times the largest one.
    info : QRInfo
        What was done.
    """

    _fields = ("Q", "R")
    _extras = ("rank", "info")


class PivotedQRResult(Result):
    """Result of `qr` with pivots; unpacks as ``Q, R, P``.

    Attributes
    ----------
    Q : array or None
        Orthonormal columns.
    R : array
        Upper triangular, with a real diagonal >= 0.
    P : array of int64
        Permutation of the columns: ``A[:, P] = Q @ R``.
    rank : int or ndarray
        Diagonal entries of R that are larger than ``rtol`` times the largest one.
    info : QRInfo
        What was done.
    """

    _fields = ("Q", "R", "P")
    _extras = ("rank", "info")


_MODES = ("economic", "truncated", "r")
_PIVOTED = ("auto", "cqrrpt", "bqrrp", "householder")
_PLAIN = ("auto", "cqrrt", "householder")
_CHOLESKY = ("auto", "cholqr2", "cholqr3")


def qr(
    A: Any,
    *,
    pivoting: bool = False,
    mode: str = "economic",
    k: int | None = None,
    rtol: float | None = None,
    method: str = "auto",
    rng: Any = None,
) -> Any:
    """QR factorisation, with or without column pivots, of one matrix or of each in a batch.

    Tall matrices are preconditioned by a random sketch and factorised by Cholesky factors, in
    products of large matrices alone.  The result is certified by random probes; where they do not
    confirm it, slower methods are tried, Householder's last: a wrong factorisation is never
    returned.

    Parameters
    ----------
    A : array_like, shape (..., m, n)
        Real or complex matrices, of any strides: arrays of NumPy or CuPy, tensors of torch, which
        have derivatives (`randla.torch.qr`), or any array with an array-API namespace (JAX outside
        of ``jit``; these run on their own operations).  float16 and bfloat16 are computed in
        float32 and returned as they came; integers and bool become float64.  Not modified.
    pivoting : bool, default False
        Permute the columns, largest first: ``A[:, P] = Q @ R``.
    mode : {"economic", "truncated", "r"}, default "economic"
        ``"economic"``: Q is ``m x min(m, n)``, orthonormal whatever the rank.  ``"truncated"``,
        which needs pivots: as many columns of Q and rows of R as the rank.  ``"r"``: as
        ``"economic"``, but Q is None.
    k : int, optional
        At most this many columns of Q and rows of R, in ``[1, min(m, n)]``, whatever `mode` says:
        ``min(rank, k)``, and exactly k in a batch.  Needs pivots.
    rtol : float, optional
        A diagonal entry of R counts for the rank if it is larger than `rtol` times the largest
        one; in [0, 1).  Default: ``min(m, n) * eps``.
    method : str, default "auto"
        ``"cqrrpt"`` (with pivots; m >= n), ``"bqrrp"`` (with pivots, in blocks), ``"cqrrt"``
        (without; m >= n), ``"householder"`` (LAPACK's geqp3 or geqrf), or ``"auto"``, which
        chooses by the shape.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Source of the sketch and of the probes.

    Returns
    -------
    QRResult or PivotedQRResult
        ``Q, R`` or ``Q, R, P``, in the type of `A`, with attributes ``rank`` and ``info``.  Q is
        stored by columns.

    Raises
    ------
    ValueError
        If `A` has fewer than two dimensions, an option is unknown, a method does not serve the
        shape, or `k`, `rtol` and `mode` are out of range or need pivots.
    TypeError
        If the dtype is not supported, `k` is no integer, or `A` is a masked array, a matrix or a
        JAX tracer.
    numpy.linalg.LinAlgError
        If a matrix has a NaN or an infinity, or its R does not fit the range of the dtype.

    See Also
    --------
    cholesky_qr : Without a sketch, for well-conditioned tall matrices.
    numpy.linalg.qr, scipy.linalg.qr : Householder's method.

    Notes
    -----
    CQRRPT [1]_: with a sparse sketch S of 2n rows, ``S A[:, P] = Q_s R_s`` gives the pivots and a
    preconditioner, and ``A[:, P] R_s^-1 = Q R_c`` by CholeskyQR gives the rest.  The cost is
    ``3 m n**2`` flops of products and a QR of the sketch.  Accepted if
    ``norm1(R_c) norm1(R_c^-1) <= 20 n``, and probes with two Gaussian vectors estimate a residual
    of at most 50 eps and an error of orthogonality of at most 40 eps; an error t times larger is
    missed with probability ``1 / t**2``.

    On a GPU the sketch, the products and the triangles are CUDA kernels, cuBLAS and cuSOLVER; the
    host gets the n x n triangle of the sketch, to choose pivots, and a few numbers.  There
    ``"bqrrp"`` is Householder's method, with the pivots of its triangle.

    BQRRP [2]_ takes the pivots of blocks of 64 columns from a sketch of 72 rows that is brought up
    to date, and the rest from Householder's method, so that it needs no certificate.

    The rank is one of pivots: where singular values decay without a gap it may exceed the number
    of them that are larger than ``rtol * s_1``, by a few per cent, and there are matrices that fool
    it.  Without pivots it says little.

    The diagonal of R being >= 0, the factors are unique for a permutation, and the same for the
    same `rng`.

    References
    ----------
    .. [1] M. Melnichenko, O. Balabanov, R. Murray, J. Demmel, M. W. Mahoney, P. Luszczek,
       "CholeskyQR with randomization and pivoting for tall matrices (CQRRPT)", arXiv:2311.08316.
    .. [2] M. Melnichenko, R. Murray, W. Killian, J. Demmel, M. W. Mahoney, P. Luszczek, "Anatomy
       of high-performance column-pivoted QR decomposition", arXiv:2507.00976.

    Examples
    --------
    >>> import numpy as np, randla
    >>> A = np.random.default_rng(0).standard_normal((5000, 40))
    >>> Q, R, P = randla.qr(A, pivoting=True, rng=0)
    >>> bool(np.allclose(A[:, P], Q @ R)), bool(np.allclose(Q.T @ Q, np.eye(40)))
    (True, True)

    Columns that depend on others are found:

    >>> result = randla.qr(np.hstack([A, A]), pivoting=True, mode="truncated", rng=0)
    >>> result.rank, result.Q.shape, result.R.shape, result.info.method
    (40, (5000, 40), (40, 80), 'cqrrpt')
    """
    arrays = validate.numpy_arrays(A=A)
    if arrays is not None:
        A = arrays[0]
    plan = planned(A, pivoting, mode, k, rtol, method)
    stream = as_stream(rng)
    if arrays is None:
        adapter = dispatch.adapter(A)
        if adapter is not None:
            return adapter.qr(
                A, pivoting=pivoting, mode=mode, k=k, rtol=rtol, method=method, rng=stream
            )
        if dispatch.kind_of(A) != "cupy":
            return _reference(A, plan, stream)
    return _factorise(A, plan, stream)


def cholesky_qr(A: Any, *, method: str = "auto") -> Any:
    """QR factorisation of tall matrices by the Cholesky factor of ``A^H A``.

    Parameters
    ----------
    A : array_like, shape (..., m, n)
        Real or complex matrices with m >= n, as for `qr`.
    method : {"auto", "cholqr2", "cholqr3"}, default "auto"
        ``"cholqr2"``, which ``"auto"`` means: two passes; enough for condition numbers up to
        some ``1 / sqrt(eps)``.  ``"cholqr3"``: a first one with a shift, for any matrix of full
        rank.  What fails, or is not confirmed by random probes, is left to ``"cholqr3"`` and then
        to Householder's method.

    Returns
    -------
    QRResult
        ``Q, R``, in the type of `A`, with attributes ``rank`` and ``info``.

    Raises
    ------
    ValueError
        If `A` has fewer than two dimensions, m < n, or `method` is unknown.
    TypeError
        If the dtype is not supported, or `A` is a masked array, a matrix or a JAX tracer.
    numpy.linalg.LinAlgError
        If a matrix has a NaN or an infinity, or its R does not fit the range of the dtype.

    See Also
    --------
    qr : With a sketch, which makes one pass enough for any condition number.

    Notes
    -----
    CholeskyQR2 [1]_ takes ``4 m n**2`` flops, the shifted CholeskyQR3 [2]_ ``6 m n**2``, in
    products of large matrices.

    References
    ----------
    .. [1] Y. Yamamoto, Y. Nakatsukasa, Y. Yanagisawa, T. Fukaya, "Roundoff error analysis of the
       CholeskyQR2 algorithm", ETNA 44 (2015), 306-326.
    .. [2] T. Fukaya, R. Kannan, Y. Nakatsukasa, Y. Yamamoto, Y. Yanagisawa, "Shifted Cholesky QR
       for computing the QR factorization of ill-conditioned matrices", SIAM J. Sci. Comput. 42
       (2020), A477-A503, doi:10.1137/18M1218212.

    Examples
    --------
    >>> import numpy as np, randla
    >>> A = np.random.default_rng(0).standard_normal((1000, 10))
    >>> Q, R = randla.cholesky_qr(A)
    >>> bool(np.allclose(A, Q @ R)), bool((np.diag(R) > 0).all())
    (True, True)
    """
    arrays = validate.numpy_arrays(A=A)
    if arrays is not None:
        A = arrays[0]
    plan = planned_cholesky(A, method)
    # probes need no secret: the same every time
    stream = Stream(0)
    if arrays is None:
        adapter = dispatch.adapter(A)
        if adapter is not None:
            return adapter.cholesky_qr(A, method=method)
        if dispatch.kind_of(A) != "cupy":
            return _reference(A, plan, stream)
    return _factorise(A, plan, stream)


class Plan:
    """What a call asks for, checked."""

    def __init__(
        self, A: Any, pivoting: bool, mode: str, k: int | None, rtol: float | None, method: str
    ) -> None:
        shape = tuple(A.shape)
        if len(shape) < 2:
            raise ValueError(f"A must have at least two dimensions, got shape {shape}")
        self.batch, (self.m, self.n) = shape[:-2], shape[-2:]
        self.p = min(self.m, self.n)
        self.pivoting, self.mode = pivoting, mode
        if not pivoting and (k is not None or mode == "truncated"):
            what = "k" if k is not None else "mode='truncated'"
            raise ValueError(f"{what} needs pivoting=True")
        if self.batch and mode == "truncated" and k is None:
            raise ValueError(
                "mode='truncated' would give a batch matrices of different sizes; pass k"
            )
        if k is not None:
            k = validate.integer("k", k)
            validate.inside("k", k, 1, self.p, " = [1, min(m, n)]")
        self.k = k
        if rtol is not None:
            rtol = validate.fraction("rtol", rtol)
        self.rtol = rtol
        self.complete = bool(self.batch) or (mode != "truncated" and k is None)
        if method in ("cqrrpt", "cqrrt", "cholqr2", "cholqr3") and self.m < self.n:
            raise ValueError(f"method={method!r} needs a tall matrix, m >= n; A has shape {shape}")
        self.method = self._choose() if method == "auto" else method

    def _choose(self) -> str:
        """By the shape: where the sketch and the passes cost less than Householder's method."""
        if self.p < 32 or self.m * self.n < 65536:
            return "householder"
        if self.m >= 4 * self.n:
            return "cqrrpt" if self.pivoting else "cqrrt"
        return "bqrrp" if self.pivoting else "householder"

    @property
    def code_name(self) -> str:
        """Name of the path in the binding."""
        plain = self.method == "householder" and not self.pivoting
        return "plain" if plain else self.method


def planned(
    A: Any, pivoting: bool, mode: str, k: int | None, rtol: float | None, method: str
) -> Plan:
    """Check the arguments of `qr`."""
    pivoting = bool(pivoting)
    if mode in ("full", "complete"):
        raise ValueError(
            f"mode={mode!r} would give a square Q; mode='economic' gives one of min(m, n) columns"
        )
    validate.option("mode", mode, _MODES)
    validate.option("method", method, _PIVOTED if pivoting else _PLAIN)
    return Plan(A, pivoting, mode, k, rtol, method)


def planned_cholesky(A: Any, method: str) -> Plan:
    """Check the arguments of `cholesky_qr`."""
    validate.option("method", method, _CHOLESKY)
    return Plan(A, False, "economic", None, None, "cholqr2" if method == "auto" else method)


def result(plan: Plan, Q: Any, R: Any, P: Any, rank: Any, info: Any) -> Any:
    if plan.mode == "r":
        Q = None
    if plan.pivoting:
        return PivotedQRResult(Q, R, P, rank=rank, info=info)
    return QRResult(Q, R, rank=rank, info=info)


def _raise_event(plan: Plan, index: int, what: str) -> NoReturn:
    where = tuple(int(i) for i in np.unravel_index(index, plan.batch)) if plan.batch else ()
    subject = f"matrix {where} of A" if where else "A"
    raise np.linalg.LinAlgError(f"{subject} {what}") from None


_NOT_FINITE = "has a NaN or an infinity"
_OVERFLOW = "has an R beyond the range of its dtype"


def _factorise(A: Any, plan: Plan, stream: Stream) -> Any:
    """On the core; an array of CuPy on its device."""
    on_host = isinstance(A, np.ndarray)
    backend = dispatch.backend("numpy" if on_host else "cupy")
    xp = np if on_host else backend.cupy
    char = validate.compute_char("A", A.dtype)
    narrow = A.dtype.char == "e" or A.dtype.name == "bfloat16"
    wanted = A.dtype if narrow else np.dtype(char)
    m, n, p, batch = plan.m, plan.n, plan.p, plan.batch
    count = math.prod(batch)
    Q, R = xp.empty((count, p, m), char), xp.empty((count, n, p), char)
    P = xp.empty((count, n), np.int64) if plan.pivoting else None
    if P is not None and p == 0:
        P[...] = xp.arange(n)
    table = factorise_into(backend.qr, A.reshape((count, m, n)), plan, stream, Q, R, P)
    columns = columns_of(plan, table)
    if columns < p:  # not a view, which would keep the whole
        Q, R = Q[:, :columns].copy(), R[:, :, :columns].copy()
    rank, info = report(plan, table)
    return result(
        plan,
        xp.swapaxes(Q.reshape((*batch, columns, m)), -1, -2).astype(wanted, copy=False),
        xp.swapaxes(R.reshape((*batch, n, columns)), -1, -2).astype(wanted, copy=False),
        None if P is None else P.reshape((*batch, n)),
        rank,
        info,
    )


def factorise_into(
    binding: Any, A: Any, plan: Plan, stream: Stream, Q: Any, R: Any, P: Any
) -> np.ndarray:
    """Factorise A, (count, m, n), into what the binding takes; the records of what was done."""
    count, p, char = len(A), plan.p, Q.dtype.char
    table = np.zeros(count, binding.INFO)
    if p == 0:
        table["method"] = binding.METHODS[plan.code_name]
        table["cond"] = np.nan
    elif count:
        rtol = -1.0 if plan.rtol is None else plan.rtol
        try:
            binding.qr(
                char, binding.METHODS[plan.code_name], plan.complete, plan.k or 0, rtol,
                stream.key, stream.offset, _by_lines(A, char), Q, R, P, table,
            )  # fmt: skip
        except binding.NotFinite as event:
            _raise_event(plan, event.args[0], _NOT_FINITE)
        except binding.Overflow as event:
            _raise_event(plan, event.args[0], _OVERFLOW)
    return table


def columns_of(plan: Plan, table: np.ndarray) -> int:
    """Columns of Q that were asked for."""
    if plan.p == 0 or not len(table):
        return plan.p if plan.k is None else plan.k
    return int(table["columns"][0])


def report(plan: Plan, table: np.ndarray) -> tuple[Any, QRInfo]:
    """Ranks, and what was done."""
    codes = dispatch.backend("numpy").qr.METHODS
    names = {code: name for name, code in codes.items()} | {codes["plain"]: "householder"}
    methods = np.array([names[int(code)] for code in table["method"]], dtype=object)
    fields = (methods, table["attempts"], table["cond"], table["orth"], table["residual"])
    info = QRInfo(*(per_matrix(np.ascontiguousarray(values), plan.batch) for values in fields))
    return per_matrix(np.ascontiguousarray(table["rank"]), plan.batch), info


def _by_lines(a: Any, char: str) -> Any:
    """Array (count, m, n) of this dtype with contiguous rows or columns, as the core takes it."""
    if not isinstance(a, np.ndarray):  # a device takes any strides
        return a.astype(char, copy=False)
    item = np.dtype(char).itemsize
    lines = [s for s in a.strides if s == item]
    fits = a.dtype == char and a.flags.aligned and lines and all(s % item == 0 for s in a.strides)
    if fits and a.strides[2] == item and a.strides[1] >= item * a.shape[2]:
        return a
    if fits and a.strides[1] == item and a.strides[2] >= item * a.shape[1]:
        return a
    return validate.packed(a, char)


# ---- reference -----------------------------------------------------------------------------------
#
# CQRRPT and CholeskyQR in array-API operations, for libraries without kernels of ours.  Decisions
# (pivots, rank) come from the sketch, which alone goes to the host.


def _reference(A: Any, plan: Plan, stream: Stream) -> Any:
    xp = dispatch.namespace(A)
    dtype = xp.float64 if xp.isdtype(A.dtype, ("bool", "integral")) else A.dtype
    working = xp.float32 if "float16" in str(dtype) else dtype
    if not xp.isdtype(working, ("real floating", "complex floating")):
        raise TypeError(f"A has dtype {dtype}; expected a real or complex floating type")
    count = math.prod(plan.batch)
    matrices = xp.reshape(xp.astype(A, working), (count, plan.m, plan.n))
    finite = dispatch.to_numpy(xp.all(xp.isfinite(matrices), axis=(1, 2)))
    if not finite.all():
        _raise_event(plan, int(np.argmin(finite)), _NOT_FINITE)
    parts = [
        _reference_one(xp, matrices[i, ...], plan, [
            stream.advance(i + t * max(count, 1)) for t in range(2)
        ])
        for i in range(count)
    ]  # fmt: skip
    if not parts:
        columns = plan.k or plan.p
        Q, R = (xp.zeros((*plan.batch, *size), dtype=working, device=_device(A))
                for size in ((plan.m, columns), (columns, plan.n)))  # fmt: skip
        P = xp.zeros((*plan.batch, plan.n), dtype=xp.int64, device=_device(A))
        rank, info = np.zeros(plan.batch, np.int64), QRInfo(*(np.zeros(plan.batch),) * 5)
    elif not plan.batch:
        Q, R, P, rank, info = parts[0]
    else:
        Q, R = (xp.reshape(xp.stack([x[j] for x in parts]), (*plan.batch, *parts[0][j].shape))
                for j in (0, 1))  # fmt: skip
        P = None
        if plan.pivoting:
            P = xp.reshape(xp.stack([x[2] for x in parts]), (*plan.batch, plan.n))
        rank = np.array([x[3] for x in parts]).reshape(plan.batch)
        fields = zip(*(vars(x[4]).values() for x in parts), strict=True)
        info = QRInfo(*(np.array(f, dtype=object if isinstance(f[0], str) else None)
                        .reshape(plan.batch) for f in fields))  # fmt: skip
    return result(plan, xp.astype(Q, dtype), xp.astype(R, dtype), P, rank, info)


def _adjoint(xp: Any, X: Any) -> Any:
    T = xp.matrix_transpose(X)
    return xp.conj(T) if xp.isdtype(X.dtype, "complex floating") else T


def _device(A: Any) -> Any:
    from array_api_compat import device

    return device(A)


def _reference_one(xp: Any, A: Any, plan: Plan, streams: list[Stream]) -> Any:
    _m, n, p = plan.m, plan.n, plan.p
    eps = float(xp.finfo(A.dtype).eps)
    identity = xp.asarray(np.arange(n), device=_device(A))
    if p == 0:
        Q, R = A[:, :0] + 0, A[:0, :] + 0
        info = QRInfo(plan.method, 0, math.nan, 0.0, 0.0)
        return Q, R, identity, 0, info
    largest = float(xp.max(xp.abs(A)))
    scale = 2.0 ** min(max(-math.frexp(largest)[1], -1000), 1000) if largest else 1.0
    if eps > 1e-10:
        scale = min(max(scale, 2.0**-120), 2.0**120)
    B, found, attempts = A * scale, None, 0
    if plan.method.startswith("cholqr") and largest:
        for count, shift in ((2, 0.0), (3, 11 * n * eps))[plan.method == "cholqr3" :]:
            attempts += 1
            found = _passes(xp, B, None, count, shift, eps, streams[0])
            if found:
                found = (*found, identity, "cholqr2" if count == 2 else "cholqr3")
                break
    elif plan.method in ("cqrrpt", "cqrrt") and largest:
        for stream in streams:
            attempts += 1
            found = _preconditioned(xp, B, plan, eps, stream)
            if found:
                break
    if found is None:
        attempts += 1
        P = identity
        if plan.pivoting:
            host = _factorise(dispatch.to_numpy(B), Plan(B, True, "r", None, None, "householder"),
                              streams[0])  # fmt: skip
            P = xp.asarray(host.P, device=_device(A))
        Q, R = xp.linalg.qr(xp.take(B, P, axis=1), mode="reduced")
        sign = xp.linalg.diagonal(R)
        size = xp.abs(sign)
        # a division by less may overflow; the largest entry of R is about 1
        seen = size >= float(xp.finfo(size.dtype).smallest_normal)
        sign = xp.where(seen, sign / xp.where(seen, size, xp.ones_like(size)),
                        xp.ones_like(sign))  # fmt: skip
        Q, R = Q * sign[None, :], R * (xp.conj(sign) if _is_complex(xp, A) else sign)[:, None]
        found = (Q, R, math.nan, math.nan, math.nan, P, "householder")
    Q, R, cond, orth, residual, P, method = found
    diagonal = dispatch.to_numpy(xp.linalg.diagonal(R)).real
    rtol = p * eps if plan.rtol is None else plan.rtol
    rank = int((diagonal > rtol * max(float(diagonal.max()), 0.0)).sum())
    columns = (plan.k or p) if plan.complete or not plan.pivoting else min(plan.k or p, rank)
    if columns < p:
        whole = float(xp.sum(xp.abs(R) ** 2))
        left = float(xp.sum(xp.abs(R[columns:, :]) ** 2)) / whole if whole else 0.0
        residual = math.hypot(0 if math.isnan(residual) else residual, math.sqrt(left))
    R = R[:columns, :] / scale
    if not bool(xp.all(xp.isfinite(R))):
        raise np.linalg.LinAlgError(f"A {_OVERFLOW}")
    return Q[:, :columns], R, P, rank, QRInfo(method, attempts, cond, orth, residual)


def _is_complex(xp: Any, A: Any) -> bool:
    return bool(xp.isdtype(A.dtype, "complex floating"))


def _preconditioned(xp: Any, A: Any, plan: Plan, eps: float, stream: Stream) -> Any:
    """A[:, P] = Q R by a sketch, or None where it is not certain or the rank is not full."""
    from .sketch import SparseSign

    m, n = plan.m, plan.n
    d = min(m, max(2 * n, n + 8))
    # decisions alone come from it: no derivative goes through the sketch
    on_host = dispatch.adapter(A) is not None and str(A.device) == "cpu"
    source = dispatch.to_numpy(A) if on_host else A
    sketched = dispatch.to_numpy(source if d == m else SparseSign(d, m, rng=stream) @ source)
    shape = Plan(sketched, plan.pivoting, "r", None, None, "householder")
    host = _factorise(sketched, shape, stream)
    diagonal = np.diag(host.R).real
    if not diagonal.min() >= 2 * eps**0.95 * diagonal.max():
        return None
    P = xp.asarray(host.P if plan.pivoting else np.arange(n), device=_device(A))
    triangle = xp.asarray(np.ascontiguousarray(host.R), device=_device(A))
    found = _passes(xp, xp.take(A, P, axis=1), triangle, 1, 0.0, eps, stream)
    return found and (*found, P, plan.method)


def _passes(xp: Any, A: Any, R: Any, count: int, shift: float, eps: float, stream: Stream) -> Any:
    """A = Q R by CholeskyQR, from Q = A R^-1 on; with its certificate, or None."""
    n = A.shape[1]
    Q = A if R is None else _solve_right(xp, A, R)
    for i in range(count):
        G = _adjoint(xp, Q) @ Q
        if i == 0 and shift:
            trace = xp.sum(xp.real(xp.linalg.diagonal(G)) if _is_complex(xp, G)
                           else xp.linalg.diagonal(G))  # fmt: skip
            G = G + shift * trace * xp.eye(n, dtype=G.dtype, device=_device(G))
        try:
            factor = _adjoint(xp, xp.linalg.cholesky(G))
        except (np.linalg.LinAlgError, RuntimeError):  # torch has its own
            return None
        if not bool(xp.all(xp.isfinite(factor))):  # JAX and CuPy raise nothing
            return None
        Q = _solve_right(xp, Q, factor)
        R = factor if R is None else factor @ R
    inverse = xp.linalg.inv(factor)
    cond = float(xp.max(xp.sum(xp.abs(factor), axis=0)) * xp.max(xp.sum(xp.abs(inverse), axis=0)))
    kinds = dispatch.backend("numpy").core.kinds()
    X, Z = (_probes(xp, A, stream, kinds[kind]) for kind in ("QR_RESIDUAL", "QR_ORTHOGONALITY"))
    norm = float(xp.linalg.matrix_norm(R)) * math.sqrt(X.shape[1])
    residual = float(xp.linalg.matrix_norm(A @ X - Q @ (R @ X))) / norm
    orth = float(xp.linalg.matrix_norm(_adjoint(xp, Q) @ (Q @ Z) - Z) / xp.linalg.matrix_norm(Z))
    certain = cond <= 20 * n and residual <= min(30 * math.sqrt(n), 50) * eps and orth <= 40 * eps
    return (Q, R, cond, orth, residual) if certain else None


def _solve_right(xp: Any, X: Any, R: Any) -> Any:
    """X R^-1."""
    T = xp.linalg.solve(xp.matrix_transpose(R), xp.matrix_transpose(X))
    return xp.matrix_transpose(T)


def _probes(xp: Any, A: Any, stream: Stream, kind: int) -> Any:
    """Gaussian numbers, n x 2, as the core draws them."""
    n = A.shape[1]
    single = "32" in str(A.dtype) or "complex64" in str(A.dtype)
    X = np.empty((2, n), np.float32 if single else np.float64)
    draw = dispatch.backend("numpy").core.draw
    for column in range(2):
        draw("normal", stream.key, stream.offset, kind, column, 0, X[column])
    return xp.astype(xp.asarray(X.T.copy(), device=_device(A)), A.dtype)
