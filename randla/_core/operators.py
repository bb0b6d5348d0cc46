"""Matrices that are known by their products: sparse arrays, operators, and dense ones alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import dispatch, validate


def is_sparse(x: object) -> bool:
    """Whether it is a sparse array or matrix of SciPy; nothing is imported to find out."""
    return type(x).__module__.startswith("scipy.sparse") and hasattr(x, "toarray")


def is_device_sparse(x: object) -> bool:
    """Whether it is a sparse matrix of CuPy; nothing is imported to find out."""
    return type(x).__module__.startswith("cupyx.scipy.sparse") and hasattr(x, "toarray")


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


def _plain_csr(A: Any) -> bool:
    """Whether the three arrays of a CSR matrix have the sizes and kinds that the core expects."""
    pointers, indices, data = A.indptr, A.indices, A.data
    return bool(
        all(isinstance(x, np.ndarray) and x.ndim == 1 for x in (pointers, indices, data))
        and pointers.dtype == indices.dtype
        and indices.dtype in (np.int32, np.int64)
        and len(pointers) == A.shape[0] + 1
        and len(indices) == len(data)
        and A.shape[0] == A.shape[1]
    )


@dataclass(frozen=True)
class Survey:
    """The diagonal of A in double precision, and sums of moduli off it.

    They are over the rows and the columns of A, and over the rows of ``(A + A^H) / 2``.
    """

    diagonal: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    hermitian_rows: np.ndarray
    finite: bool
    hermitian: bool
    skew: bool


class Operator:
    """One n x n matrix: products that are counted, norms, and where its eigenvalues lie.

    Entries are asked where there are some; an operator's norms are estimated through matmat and
    rmatmat (Higham, Tisseur 2000, doi:10.1137/S0895479899356080).

    Entries that are all real or all imaginary are kept as real ones: A = phase * (these), with
    phase 1 or 1j.  All methods speak of these.
    """

    def __init__(self, A: Any) -> None:
        self.products = 0
        self.phase: complex = 1
        self.entries: Any = None
        self._ready: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._tiles: tuple[np.ndarray, np.ndarray] | None = None
        self._shift: complex = 0.0  # already taken off the tiles
        self._estimates: dict[tuple[int, complex, int], float] = {}
        if is_sparse(A):
            # a CSR matrix is checked with the survey, in passes that are faster
            known = getattr(A, "format", "") == "csr" and _plain_csr(A)
            self.entries = (A if known else sound("A", A)).tocsr()
            if self.entries.dtype.kind not in "fc":
                self.entries = self.entries.astype(np.float64)
            elif self.entries.dtype.char == "e":
                self.entries = self.entries.astype(np.float32)
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
        if self.entries is not None and self.dtype.kind == "c":
            self._split()

    @property
    def real(self) -> bool:
        """Whether the entries that are kept are real."""
        return self.entries is not None and self.entries.dtype.kind == "f"

    def _split(self) -> None:
        """Keep the real or the imaginary part, if it is all there is."""
        values = self.entries.data if is_sparse(self.entries) else self.entries
        for part, other, phase in ((values.real, values.imag, 1), (values.imag, values.real, 1j)):
            # most often the first entries tell
            if not other.ravel()[:64].any() and not other.any():
                self.phase = phase
                if is_sparse(self.entries):
                    csr = type(self.entries)
                    triple = (np.ascontiguousarray(part), self.entries.indices, self.entries.indptr)
                    self.entries = csr(triple, shape=self.shape, copy=False)
                else:
                    self.entries = np.ascontiguousarray(part)
                return

    @cached_property
    def survey(self) -> Survey | None:
        """What the entries say; None where they cannot be asked."""
        if self.entries is None:
            return None
        n = self.shape[0]
        if not is_sparse(self.entries):
            wide = self.entries.astype(np.result_type(self.entries.dtype, np.float64))
            with np.errstate(all="ignore"):
                adjoint = wide.conj().T
                sums = []
                for M, axis in ((wide, 1), (wide, 0), ((wide + adjoint) / 2, 1)):
                    size = np.abs(M)
                    np.fill_diagonal(size, 0)
                    sums.append(size.sum(axis=axis))
                rows, columns, hermitian_rows = sums
                return Survey(
                    wide.diagonal().copy(),
                    rows,
                    columns,
                    hermitian_rows,
                    finite=bool(np.isfinite(wide).all()),
                    hermitian=bool((wide == adjoint).all()),
                    skew=bool((wide == -adjoint).all()),
                )
        binding = dispatch.backend("numpy").expm
        diagonal = np.empty(n, np.result_type(self.entries.dtype, np.float64))
        rows, columns, hermitian_rows = np.empty((3, n))
        for _ in range(2):
            arrays = self._csr(self.entries.dtype)
            flags = binding.spmm_survey(*arrays, diagonal, rows, columns, hermitian_rows)
            if not flags & binding.SURVEY["valid"]:
                sound("A", self.entries)
                raise ValueError("A is a broken sparse array")
            if flags & binding.SURVEY["canonical"]:
                break
            self.entries = self.entries.copy()  # not in place: it may be the caller's
            self.entries.sum_duplicates()
            self._ready = None
        found = {name: bool(flags & binding.SURVEY[name]) for name in binding.SURVEY}
        return Survey(
            diagonal,
            rows,
            columns,
            hermitian_rows,
            found["finite"],
            found["hermitian"],
            found["skew"],
        )

    def step(
        self,
        X: np.ndarray,
        alpha: complex,
        shift: complex = 0.0,
        Z: np.ndarray | None = None,
        gamma: complex = 0.0,
        W: np.ndarray | None = None,
        delta: complex = 0.0,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """alpha (A - shift) X + gamma Z, in the dtype of X; and W += delta times that.

        One pass over a sparse A: a term of a Taylor or a Chebyshev recurrence.  X must be
        C-contiguous.  A sparse A writes into `out`, which may be Z.
        """
        self.products += 1
        if is_sparse(self.entries):
            Y: np.ndarray = np.empty_like(X) if out is None else out
            tiles = self._tiles
            if tiles is not None and (X.dtype != tiles[1].dtype or X.shape[1] > 2):
                tiles = None
            beta = -alpha * (shift if tiles is None else shift - self._shift)
            pairs = [(complex(f).real, complex(f).imag) for f in (alpha, beta, gamma, delta)]
            scalars = np.array(pairs).ravel()
            binding = dispatch.backend("numpy").expm
            if tiles is not None:
                binding.spmm_tiled(*tiles, scalars, X, Z, Y, W)
            else:
                binding.spmm(*self._csr(X.dtype), scalars, X, Z, Y, W)
            return Y
        scalar = X.dtype.type if X.dtype.kind == "c" else lambda f: X.dtype.type(np.real(f))
        product = self.entries @ X if self.entries is not None else self.operator.matmat(X)
        Y = np.asarray(product).astype(X.dtype, copy=False) * scalar(alpha)
        if shift:
            Y -= scalar(alpha * shift) * X
        if Z is not None:
            Y += scalar(gamma) * Z
        if W is not None:
            W += scalar(delta) * Y
        return Y

    def expect(self, X: np.ndarray, products: int, shift: complex) -> None:
        """Prepare for so many products with blocks like X: by diagonals, if they are few and full.

        Their zeros times what is not finite would be NaN in rows that have nothing to do with it,
        so X is looked at.  The shift is taken off their entries, which spares a cancellation.
        """
        if self._tiles is not None or not (is_sparse(self.entries) and self.real):
            return
        n = self.shape[0]
        if n < 64 or X.dtype.kind != "f" or X.shape[1] > 2 or products < 8:
            return
        if not np.isfinite(X).all():
            return
        pointers, indices, data = self._csr(X.dtype)
        binding = dispatch.backend("numpy").expm
        offsets = np.empty(int(1.3 * len(indices) / n), np.int64)
        count = binding.spmm_offsets(pointers, indices, offsets)
        if count:
            offsets = offsets[:count].copy()
            tiles = np.empty((-(-n // binding.TILE), count, binding.TILE), X.dtype)
            binding.spmm_tiles(pointers, indices, data, offsets, tiles)
            main = np.flatnonzero(offsets == 0)
            if len(main):
                tiles[:, main] -= X.dtype.type(np.real(shift))
            self._shift = shift if len(main) else 0.0
            self._tiles = offsets, tiles

    def _csr(self, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row pointers, indices and entries for the core, which trusts them."""
        if self._ready is None or self._ready[2].dtype != dtype:
            A = self.entries
            wide = np.int64 if A.indices.dtype == np.int64 else np.int32
            pointers, indices = (validate.packed(x, wide) for x in (A.indptr, A.indices))
            self._ready = pointers, indices, validate.packed(A.data, dtype)
        ready: tuple[np.ndarray, np.ndarray, np.ndarray] = self._ready
        return ready

    def finite(self) -> bool:
        """Whether every entry is finite; True where entries cannot be asked."""
        return self.survey is None or self.survey.finite

    def mean_eigenvalue(self) -> complex:
        """trace(A) / n, where entries can be asked; else 0."""
        if self.survey is None or not self.shape[0]:
            return 0.0
        with np.errstate(all="ignore"):
            value = self.survey.diagonal.mean()
        return complex(value) if np.iscomplexobj(value) else float(value)

    def center(self) -> complex:
        """A number near the middle of the eigenvalues: norm(A - center I) is small.

        The mean, or the middle of Gershgorin's circles, which for real entries gives the least
        norm that there is, and a logarithmic norm as large as center + norm.
        """
        mean = self.mean_eigenvalue()
        if self.survey is None:
            return mean
        d, found = self.survey.diagonal, [mean]
        for off in (self.survey.rows, self.survey.columns):
            parts = [((x - off).min() + (x + off).max()) / 2 for x in (d.real, d.imag)]
            found.append(complex(*parts) if np.iscomplexobj(d) else float(parts[0]))
        return min(found, key=self.norm)

    def norm(self, mu: complex, axis: int | None = None) -> float:
        """1-norm (axis 0) or infinity-norm (axis 1) of A - mu I, or the lesser; or an estimate."""
        if self.survey is None:
            return self._estimate(1, mu, axis or 0)
        on = np.abs(self.survey.diagonal - mu)
        columns, rows = (
            float((on + off).max(initial=0)) for off in (self.survey.columns, self.survey.rows)
        )
        return min(rows, columns) if axis is None else (columns, rows)[axis]

    def growth(self, direction: complex) -> float | None:
        """A number g with norm(exp(t direction A)) <= exp(g t), t > 0, in some norm.

        The least of the logarithmic 1- and infinity-norm, and of a bound of the 2-norm's by
        Gershgorin's circles; None where entries cannot be asked.
        """
        if self.survey is None:
            return None
        on = np.real(direction * self.survey.diagonal)
        sums = [self.survey.rows, self.survey.columns]
        if np.imag(direction) == 0:
            sums.append(self.survey.hermitian_rows)
        return min(float((on + off).max(initial=-math.inf)) for off in sums)

    def norm_of_powers(self, mu: complex) -> float:
        """A number at least norm(X^k)^(1/k) for k >= 2, X = A - mu I: often far below norm(X).

        max(norm(X^p)^(1/p), norm(X^(p+1))^(1/(p+1))) bounds it for k >= p (p - 1) (Al-Mohy, Higham
        2009, theorem 4.2); here p = 2 and 3, whose norms are estimated.
        """
        norm = self.norm(mu)
        if self.shape[0] < 5:
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
        if self.survey is None or not (self.survey.hermitian or self.survey.skew):
            return None
        kind = 1 if self.survey.hermitian else -1
        d = self.survey.diagonal
        on_axis = d.real if kind == 1 else d.imag
        low = float((on_axis - self.survey.rows).min())
        high = float((on_axis + self.survey.rows).max())
        center, radius = (low + high) / 2, (high - low) / 2
        if radius == 0:
            radius = float(np.finfo(np.float64).tiny)
        return (center if kind == 1 else 1j * center), radius, kind
