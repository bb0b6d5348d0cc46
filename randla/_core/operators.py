"""Matrices that are known by their products: sparse arrays, operators, and dense ones alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dispatch


def is_sparse(x: object) -> bool:
    """Whether it is a sparse array or matrix of SciPy; nothing is imported to find out."""
    return type(x).__module__.startswith("scipy.sparse") and hasattr(x, "toarray")


def is_operator(x: object) -> bool:
    """Whether it is sparse, or has matmat instead of entries."""
    return is_sparse(x) or (hasattr(x, "matmat") and hasattr(x, "shape") and hasattr(x, "dtype"))


def sound(name: str, A: Any) -> Any:
    """The sparse array, once its indices are known to be inside: SciPy and the core trust them."""
    try:
        if hasattr(A, "check_format"):
            A.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"{name} is a broken sparse array: {error}") from None
    return A


class Operator:
    """One n x n matrix: products that are counted, norms, and where its eigenvalues lie.

    Entries are asked where there are some; an operator's norms are estimated through matmat and
    rmatmat (Higham, Tisseur 2000, doi:10.1137/S0895479899356080).
    """

    def __init__(self, A: Any) -> None:
        self.products = 0
        self.entries: Any = None
        self._ready: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._estimates: dict[tuple[int, complex, int], float] = {}
        if is_sparse(A):
            self.entries = sound("A", A).tocsr()
            if self.entries.dtype.kind not in "fc":
                self.entries = self.entries.astype(np.float64)
        elif isinstance(A, np.ndarray):
            self.entries = A if A.dtype.char in "fdFD" else A.astype(np.float64)
        else:
            if not hasattr(A, "rmatmat"):
                raise TypeError(
                    f"A is a {type(A).__name__} without rmatmat, which estimates of its norm need"
                )
            self.operator = A
        source = A if self.entries is None else self.entries
        self.shape = tuple(source.shape)
        self.dtype = np.dtype(source.dtype)

    def step(
        self,
        X: np.ndarray,
        alpha: complex,
        beta: complex = 0.0,
        Z: np.ndarray | None = None,
        gamma: complex = 0.0,
        W: np.ndarray | None = None,
        delta: complex = 0.0,
    ) -> np.ndarray:
        """alpha A X + beta X + gamma Z, in the dtype of X; and W += delta times that.

        One pass over a sparse A: a term of a Taylor or a Chebyshev recurrence.  X must be
        C-contiguous.
        """
        self.products += 1
        if is_sparse(self.entries):
            Y: np.ndarray = np.empty_like(X)
            pairs = [(complex(f).real, complex(f).imag) for f in (alpha, beta, gamma, delta)]
            pointers, indices, data = self._csr(X.dtype)
            spmm = dispatch.backend("numpy").expm.spmm
            spmm(pointers, indices, data, np.array(pairs).ravel(), X, Z, Y, W)
            return Y
        scalar = X.dtype.type if X.dtype.kind == "c" else lambda f: X.dtype.type(np.real(f))
        product = self.entries @ X if self.entries is not None else self.operator.matmat(X)
        Y = np.asarray(product).astype(X.dtype, copy=False) * scalar(alpha)
        if beta:
            Y += scalar(beta) * X
        if Z is not None:
            Y += scalar(gamma) * Z
        if W is not None:
            W += scalar(delta) * Y
        return Y

    def _csr(self, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row pointers, indices and entries for the core, which trusts them."""
        if self._ready is None or self._ready[2].dtype != dtype:
            A = self.entries
            wide = np.int64 if A.indices.dtype == np.int64 else np.int32
            pointers, indices = (np.ascontiguousarray(x, wide) for x in (A.indptr, A.indices))
            self._ready = pointers, indices, np.ascontiguousarray(A.data, dtype)
        ready: tuple[np.ndarray, np.ndarray, np.ndarray] = self._ready
        return ready

    def _rows_and_columns(self, mu: complex) -> tuple[Any, Any]:
        """Sums of moduli over rows and over columns of A - mu I."""
        d = self.entries.diagonal()
        moved = np.abs(d - mu) - np.abs(d)
        size = abs(self.entries)
        rows, columns = (np.asarray(size.sum(axis=a)).ravel() for a in (1, 0))
        return rows + moved, columns + moved

    def finite(self) -> bool:
        """Whether every entry is finite; True where entries cannot be asked."""
        if self.entries is None:
            return True
        values = self.entries.data if is_sparse(self.entries) else self.entries
        return bool(np.isfinite(values).all())

    def mean_eigenvalue(self) -> complex:
        """trace(A) / n, where entries can be asked; else 0."""
        if self.entries is None:
            return 0.0
        value = self.entries.diagonal().mean()
        return complex(value) if np.iscomplexobj(value) else float(value)

    def norm(self, mu: complex, axis: int | None = None) -> float:
        """1-norm (axis 0) or infinity-norm (axis 1) of A - mu I, or the lesser; or an estimate."""
        if self.entries is None:
            return self._estimate(1, mu, axis or 0)
        rows, columns = (float(x.max(initial=0)) for x in self._rows_and_columns(mu))
        return min(rows, columns) if axis is None else (columns, rows)[axis]

    def norm_of_powers(self, mu: complex, worth: float) -> float:
        """A number at least norm(X^k)^(1/k) for k >= 2, X = A - mu I: often far below norm(X).

        worth: the norm that makes the estimates pay.

        max(norm(X^p)^(1/p), norm(X^(p+1))^(1/(p+1))) bounds it for k >= p (p - 1) (Al-Mohy, Higham
        2009, theorem 4.2); here p = 2 and 3, whose norms are estimated.
        """
        norm = self.norm(mu)
        if norm <= worth or self.shape[0] < 5:
            return norm
        # an estimate is nearly always exact, and at most a few times too small
        powers = [float(self._estimate(p, mu) ** (1 / p)) for p in (2, 3)]
        return min(norm, 1.1 * max(powers))

    def _estimate(self, power: int, mu: complex, side: int = 0) -> float:
        """The 1-norm of (A - mu I)^power, or (side 1) the infinity-norm."""
        key = (power, mu, side)
        if key not in self._estimates:
            self._estimates[key] = self._new_estimate(*key)
        return self._estimates[key]

    def _new_estimate(self, power: int, mu: complex, side: int) -> float:
        from scipy.sparse.linalg import LinearOperator, onenormest

        forward, backward = (
            (self.operator.matmat, self.operator.rmatmat)
            if self.entries is None
            else (lambda X: self.entries @ X, lambda X: self.entries.conj().T @ X)
        )

        if side == 1:
            forward, backward, mu = backward, forward, np.conj(mu)

        def repeat(apply: Any, shift: complex, X: np.ndarray) -> np.ndarray:
            for _ in range(power):
                self.products += 1
                X = np.asarray(apply(X)) - (shift * X if shift else 0)
            return X

        dtype = np.result_type(self.dtype, type(mu))
        X = LinearOperator(
            self.shape,
            matvec=lambda x: repeat(forward, mu, x.reshape(-1, 1)),
            rmatvec=lambda x: repeat(backward, np.conj(mu), x.reshape(-1, 1)),
            matmat=lambda x: repeat(forward, mu, x),
            rmatmat=lambda x: repeat(backward, np.conj(mu), x),
            dtype=dtype,
        )
        if self.shape[0] < 5:
            return float(np.abs(X.matmat(np.eye(self.shape[0], dtype=dtype))).sum(axis=0).max())
        return float(onenormest(X))

    def interval(self) -> tuple[complex, float, int] | None:
        """Where the eigenvalues lie, by Gershgorin's circles: (c, r, kind).

        In [c - r, c + r] (kind 1, A Hermitian) or [c - i r, c + i r] (kind -1, A
        skew-Hermitian); None for others.
        """
        if self.entries is None:
            return None
        adjoint = self.entries.conj().T
        for kind in (1, -1):
            off = self.entries - kind * adjoint
            if (off.count_nonzero() if is_sparse(off) else np.count_nonzero(off)) == 0:
                break
        else:
            return None
        d = self.entries.diagonal()
        rows, _ = self._rows_and_columns(0)
        radii = rows - np.abs(d)
        on_axis = d.real if kind == 1 else d.imag
        low, high = float((on_axis - radii).min()), float((on_axis + radii).max())
        center, radius = (low + high) / 2, (high - low) / 2
        if radius == 0:
            radius = float(np.finfo(np.float64).tiny)
        return (center if kind == 1 else 1j * center), radius, kind
