"""What iterative least squares are made of: products, preconditioners, iterations, certificates.

Everything speaks of a matrix M with at least as many rows as columns: A itself, or A^H where A is
wide.  Blocks of vectors are matrices, one vector in each column.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from ._core import dispatch, validate

#: Columns of the identity that an operator is asked for at a time.
_PANEL = 64
#: Right-hand sides from which on our sparse product is faster than SciPy's.
_WIDE = 4


def is_complex(xp: Any, X: Any) -> bool:
    """Whether entries are complex."""
    return bool(xp.isdtype(X.dtype, "complex floating"))


def conjugate(xp: Any, X: Any) -> Any:
    """Entries conjugated; of real ones no copy."""
    return xp.conj(X) if is_complex(xp, X) else X


def norms(xp: Any, X: Any) -> Any:
    """Norm of each column."""
    return xp.sqrt(squares(xp, X, X))


def squares(xp: Any, X: Any, Y: Any) -> Any:
    """Real part of the inner product of each column of X with that of Y."""
    if is_complex(xp, X):
        return xp.sum(xp.real(xp.conj(X) * Y), axis=0)
    return xp.sum(X * Y, axis=0)


def device_of(X: Any) -> Any:
    """Where an array of any library lies."""
    from array_api_compat import device

    return device(X)


# ---- products ------------------------------------------------------------------------------------


class Dense:
    """An array of any library."""

    def __init__(self, xp: Any, A: Any) -> None:
        self.xp, self.A, self.shape, self.entries = xp, A, tuple(A.shape), math.prod(A.shape)

    @property
    def H(self) -> Dense:
        """The adjoint."""
        return type(self)(self.xp, conjugate(self.xp, self.xp.matrix_transpose(self.A)))

    def scaled(self, factor: float) -> Dense:
        """Entries times a power of two."""
        return type(self)(self.xp, self.A * factor)

    def forward(self, X: Any) -> Any:
        """M X."""
        return self.A @ X

    def adjoint(self, Y: Any) -> Any:
        """M^H Y."""
        T = self.xp.matrix_transpose(self.A)
        return conjugate(self.xp, T @ conjugate(self.xp, Y))

    def normal(self, X: Any) -> Any:
        """M^H (M X): a step of every iteration."""
        return self.adjoint(self.forward(X))

    def sketch(self, S: Any) -> np.ndarray:
        """S M, on the host; M itself for S = None."""
        return dispatch.to_numpy(self.A if S is None else S @ self.A)

    def largest(self) -> float:
        """Largest modulus; not finite if an entry is not."""
        return float(self.xp.max(self.xp.abs(self.A))) if self.entries else 0.0


class Native(Dense):
    """An array of NumPy, of which rows or columns are contiguous."""

    def normal(self, X: np.ndarray) -> np.ndarray:
        """M^H (M X), reading M once."""
        V = np.ascontiguousarray(X.T)
        W = np.empty_like(V)
        dispatch.backend("numpy").qr_lstsq.normal_product(self.A.dtype.char, self.A, V, W)
        return W.T

    def largest(self) -> float:
        """Largest modulus; not finite if an entry is not."""
        largest = 0.0
        lines = self.A if self.A.strides[0] >= self.A.strides[1] else self.A.T
        for i in range(0, len(lines), 1024):  # without a copy of it all
            one = float(np.abs(lines[i : i + 1024]).max(initial=0.0))
            if not one <= largest:
                largest = one
            if not math.isfinite(largest):
                break
        return largest


class Sparse(Dense):
    """A sparse array of SciPy, CSR or CSC, whose indices are inside."""

    def __init__(self, xp: Any, A: Any) -> None:
        self.xp, self.A, self.shape, self.entries = xp, A, tuple(A.shape), A.nnz
        self._transposed = A.T
        wide = np.int64 if max(A.indptr.itemsize, A.indices.itemsize) > 4 else np.int32
        self._arrays = (
            *(validate.packed(x, wide) for x in (A.indptr, A.indices)),
            validate.packed(A.data, A.dtype),
        )

    @property
    def H(self) -> Sparse:
        """The adjoint."""
        return Sparse(self.xp, self.A.T.conj() if self.A.dtype.kind == "c" else self.A.T)

    def _panel(self, X: Any, adjoint: bool) -> Any:
        """A product of several vectors, which takes half of SciPy's time; None for few."""
        if X.shape[1] < _WIDE:
            return None
        product = dispatch.backend("numpy").svd.sparse_product
        packed = np.ascontiguousarray(X)
        return product(*self._arrays, self.shape, packed, adjoint, self.A.format == "csc")

    def forward(self, X: Any) -> Any:
        """M X."""
        Y = self._panel(X, False)
        return self.A @ X if Y is None else Y

    def adjoint(self, Y: Any) -> Any:
        """M^H Y."""
        X = self._panel(Y, True)
        if X is not None:
            return X
        return conjugate(self.xp, self._transposed @ conjugate(self.xp, Y))

    def sketch(self, S: Any) -> np.ndarray:
        """S M; M itself for S = None."""
        return np.asarray(self.A.toarray() if S is None else S @ self.A)

    def largest(self) -> float:
        """Largest modulus; not finite if an entry is not."""
        return float(np.abs(self.A.data).max(initial=0.0))


class Linear(Dense):
    """An object with matmat and rmatmat."""

    def __init__(self, xp: Any, A: Any, dtype: Any, swapped: bool = False) -> None:
        self.xp, self.A, self._dtype, self._swapped = xp, A, dtype, swapped
        rows, columns = (int(size) for size in A.shape)
        self.shape = (columns, rows) if swapped else (rows, columns)
        self.entries = rows * columns

    @property
    def H(self) -> Linear:
        """The adjoint."""
        return Linear(self.xp, self.A, self._dtype, not self._swapped)

    def _apply(self, adjoint: bool, X: Any) -> np.ndarray:
        product = self.A.rmatmat(X) if adjoint else self.A.matmat(X)
        return np.asarray(product).astype(self._dtype, copy=False)

    def forward(self, X: Any) -> Any:
        """M X."""
        return self._apply(self._swapped, X)

    def adjoint(self, Y: Any) -> Any:
        """M^H Y."""
        return self._apply(not self._swapped, Y)

    def sketch(self, S: Any) -> np.ndarray:
        """S M from its columns, a panel at a time; M itself for S = None."""
        rows, columns = self.shape
        B = np.empty((rows if S is None else S.shape[0], columns), self._dtype)
        for j in range(0, columns, _PANEL):
            unit = np.eye(columns, min(_PANEL, columns - j), -j, dtype=self._dtype)
            panel = self.forward(unit)
            B[:, j : j + _PANEL] = panel if S is None else S @ panel
        return B

    def largest(self) -> float:
        """Nothing is known of its entries."""
        return math.nan


# ---- preconditioners -----------------------------------------------------------------------------


class Triangle:
    """N = R^-1 for the triangle R of a sketch of M: M N is well conditioned."""

    def __init__(self, R: np.ndarray, like: Any) -> None:
        self._xp = dispatch.namespace(like)
        self._native = isinstance(like, np.ndarray)
        self._host = R
        self.rank = len(R)
        self.R: Any = np.ascontiguousarray(R.T)  # packed, as the core takes it
        if not self._native:
            self.R = self._xp.asarray(np.ascontiguousarray(R), device=device_of(like))
        self.frobenius = float(np.linalg.norm(R))

    @cached_property
    def _extremes(self) -> tuple[float, float]:
        return _singular_values(self._host, self.frobenius)

    @property
    def largest(self) -> float:
        """Largest singular value, about."""
        return self._extremes[0]

    @property
    def cond(self) -> float:
        """Condition number, about."""
        return self._extremes[0] / self._extremes[1]

    def apply(self, Y: Any) -> Any:
        """R^-1 Y."""
        return self._solve(Y, False)

    def adjoint(self, G: Any) -> Any:
        """R^-H G."""
        return self._solve(G, True)

    def _solve(self, Y: Any, adjoint: bool) -> Any:
        if self._native:
            X = np.array(Y.T, dtype=self.R.dtype, order="C")
            dispatch.backend("numpy").qr_lstsq.triangular_solve(X.dtype.char, adjoint, self.R, X)
            return X.T
        return triangular_solve(self._xp, self.R, Y, adjoint)

    # of the QR factors Q R of M, or of a sketch
    left = apply  # R^-1 Z, where Z = Q^H b
    right = adjoint  # R^-H b, which Q turns into the shortest solution

    def project(self, X: Any) -> Any:
        """Part in the row space of R."""
        return X

    def backward_error(self, G: Any, x_norm: Any, r_norm: Any) -> Any:
        """Karlson and Walden's estimate, with R in place of M.

        norm((norm(x)^2 R^H R + norm(r)^2 I)^(-1/2) M^H r) / norm(R)_F, from a triangle T with
        T^H T the matrix in parentheses, for each column.
        """
        host = np.asarray(dispatch.to_numpy(G))
        x_norm, r_norm = (dispatch.to_numpy(v).astype(float) for v in (x_norm, r_norm))
        n = self.rank
        if host.shape[1] > 4:  # one decomposition for all of them
            _, s, Vh = np.linalg.svd(self._host)
            return Singular.estimate(s, Vh @ host, x_norm, r_norm)
        found = np.zeros(host.shape[1])
        for j, g in enumerate(host.T):
            size = max(x_norm[j] * self.frobenius, r_norm[j])
            if not size:
                continue
            stacked = np.concatenate(
                [self._host * (x_norm[j] / size), np.eye(n, dtype=host.dtype) * (r_norm[j] / size)]
            )
            T: Any = np.linalg.qr(stacked.astype(host.dtype, copy=False), mode="r")
            z = np.array(g[None], dtype=host.dtype, order="C")
            packed = np.ascontiguousarray(T.T)
            dispatch.backend("numpy").qr_lstsq.triangular_solve(z.dtype.char, True, packed, z)
            found[j] = np.linalg.norm(z) / size / self.frobenius
        return found


class Singular:
    """N = V S^-1, of the singular values of a sketch of M that count: M has no full rank."""

    def __init__(self, U: np.ndarray, s: np.ndarray, Vh: np.ndarray, like: Any) -> None:
        xp = dispatch.namespace(like)
        self._xp, self.rank, self._s = xp, len(s), s
        self.frobenius, self.largest = float(np.linalg.norm(s)), float(s[0])
        self.cond = float(s[0] / s[-1])
        where = device_of(like)
        self._V, self._Vh, self._U, self._Uh, self._inverse = (
            xp.asarray(np.ascontiguousarray(x).astype(U.dtype), device=where)
            for x in (Vh.conj().T, Vh, U, U.conj().T, (1 / s)[:, None])
        )

    def apply(self, Y: Any) -> Any:
        """V S^-1 Y."""
        return self._V @ (self._inverse * Y)

    def adjoint(self, G: Any) -> Any:
        """S^-1 V^H G."""
        return self._inverse * (self._Vh @ G)

    def left(self, Z: Any) -> Any:
        """V S^-1 U^H Z."""
        return self.apply(self._Uh @ Z)

    def right(self, B: Any) -> Any:
        """U S^-1 V^H B."""
        return self._U @ self.adjoint(B)

    def project(self, X: Any) -> Any:
        """Part in the row space."""
        return self._V @ (self._Vh @ X)

    def backward_error(self, G: Any, x_norm: Any, r_norm: Any) -> Any:
        """Karlson and Walden's estimate, in the row space."""
        x_norm, r_norm = (dispatch.to_numpy(v).astype(float) for v in (x_norm, r_norm))
        return self.estimate(self._s, dispatch.to_numpy(self._Vh @ G), x_norm, r_norm)

    @staticmethod
    def estimate(s: np.ndarray, G: np.ndarray, x_norm: np.ndarray, r_norm: np.ndarray) -> Any:
        """The same from singular values, and M^H r in the basis of V."""
        size = np.hypot(np.outer(s, x_norm), r_norm)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = np.where(G == 0, 0, np.abs(G) / size)
        return np.linalg.norm(parts, axis=0) / np.linalg.norm(s)


def triangular_solve(xp: Any, R: Any, Y: Any, adjoint: bool) -> Any:
    """R^-1 Y or R^-H Y by what a library has."""
    if dispatch.kind_of(Y) == "cupy":
        return dispatch.backend("cupy").qr_lstsq.triangular_solve(R, Y, adjoint)
    if adjoint:
        R = conjugate(xp, xp.matrix_transpose(R))
    if hasattr(xp.linalg, "solve_triangular"):  # torch
        return xp.linalg.solve_triangular(R, Y, upper=not adjoint)
    return xp.linalg.solve(R, Y)


def _singular_values(R: np.ndarray, frobenius: float) -> tuple[float, float]:
    """Estimates of the largest and the least singular value of a triangle.

    By the power method with R^H R and its inverse, 8 steps from a fixed vector.
    """
    n = len(R)
    binding = dispatch.backend("numpy").qr_lstsq
    packed = np.ascontiguousarray(R.T)
    x = np.cos(1.0 + np.arange(n) ** 2).astype(R.dtype)
    largest = frobenius / math.sqrt(n)
    for _ in range(8):
        x = x / np.linalg.norm(x)
        x = R @ x
        largest = max(largest, float(np.linalg.norm(x)))
        x = R.conj().T @ x
    y = np.cos(1.0 + np.arange(n) ** 2).astype(R.dtype)[None]
    smallest = largest
    with np.errstate(all="ignore"):
        for _ in range(8):
            y = y / np.linalg.norm(y)
            for adjoint in (True, False):
                binding.triangular_solve(R.dtype.char, adjoint, packed, y)
                if adjoint:
                    smallest = min(smallest, 1 / float(np.linalg.norm(y)))
    if not math.isfinite(smallest) or smallest <= 0:
        smallest = largest * float(np.finfo(R.dtype).eps)
    return largest, smallest


def preconditioner(R: np.ndarray, rcond: float, like: Any) -> Triangle | Singular | None:
    """From the triangle of M, or of its sketch; None for a zero matrix.

    The rank is the number of singular values above rcond times the largest.  Where 1 / (norm(R)_F
    norm(R^-1)_F) is larger than that, all of them are, and none has to be computed.
    """
    n = len(R)
    if not R.any():
        return None
    inverse = np.eye(n, dtype=R.dtype)
    if np.diag(R).all():
        packed = np.ascontiguousarray(R.T)
        dispatch.backend("numpy").qr_lstsq.triangular_solve(R.dtype.char, False, packed, inverse)
        with np.errstate(all="ignore"):
            cond = float(np.linalg.norm(R)) * float(np.linalg.norm(inverse))
        if math.isfinite(cond) and cond * rcond < 1:
            return Triangle(R, like)
    U, s, Vh = np.linalg.svd(R)
    rank = int((s > rcond * s[0]).sum())
    if rank == n and np.diag(R).all():
        return Triangle(R, like)
    return Singular(U[:, :rank], s[:rank], Vh[:rank], like)


# ---- iterations ----------------------------------------------------------------------------------


def conjugate_gradients(xp: Any, apply: Any, C: Any, stop: Any, limit: int) -> tuple[Any, int]:
    """Y with K Y = C for a K near the identity, each column until its residual is below `stop`."""
    Y, S, D = xp.zeros_like(C), C, C
    rho, target = squares(xp, C, C), stop * stop
    one, zero = xp.ones_like(rho), xp.zeros_like(rho)
    for step in range(limit):
        active = rho > target
        if not bool(xp.any(active)):
            return Y, step
        K = apply(D)
        curvature = squares(xp, D, K)
        active = xp.logical_and(active, curvature > 0)
        alpha = xp.where(active, rho / xp.where(active, curvature, one), zero)
        Y, S = Y + _as(xp, alpha, C) * D, S - _as(xp, alpha, C) * K
        fresh = squares(xp, S, S)
        beta = xp.where(active, fresh / xp.where(active, rho, one), zero)
        D = S + _as(xp, beta, C) * D
        rho = xp.where(active, fresh, zero)  # a column that is done stays as it is
    return Y, limit


def heavy_ball(xp: Any, apply: Any, C: Any, ratio: float, eps: float) -> tuple[Any, int]:
    """Y with K Y = C by Polyak's iteration, which needs no inner products.

    For the singular values that a sketch with n / d = ratio leaves: damping (1 - ratio)^2, momentum
    ratio; sqrt(ratio) is the rate.
    """
    if ratio == 0:  # nothing was sketched: K is the identity
        return C + (C - apply(C)), 1
    steps = math.ceil(math.log(eps) / math.log(math.sqrt(ratio)))
    before, Y = xp.zeros_like(C), (1 - ratio) ** 2 * C
    for _ in range(steps):
        Y, before = Y + (1 - ratio) ** 2 * (C - apply(Y)) + ratio * (Y - before), Y
    return Y, steps


def _as(xp: Any, x: Any, like: Any) -> Any:
    return xp.astype(x, like.dtype)
