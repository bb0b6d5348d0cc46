"""One matrix as its products with panels, however it is stored; what is never formed is said so.

Every kind has `matmat` (A X), `rmatmat` (A^H Z) and `squares` (the squared Frobenius norm in double
precision, None where entries cannot be asked).  `prepare` looks at the entries once: what is not
finite is an error, and what would overflow is multiplied by a power of two, product by product.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._core import dispatch, operators, validate
from ._svd_algebra import Algebra

# norms between which no product of a few factors leaves the range, and the largest exponents
RANGES = {"f": (1e-17, 1e17, 100), "d": (1e-140, 1e140, 1000)}
_PANEL = 1 << 20  # entries that are converted, or shifted, at once
_DEVICE_PANEL = 1 << 25


class Products:
    """Base: counts passes, and applies the power of two.

    Attributes
    ----------
    shape : tuple
        (m, n).
    algebra : Algebra
        Of the panels.
    scale : float
        The products are those of scale * A.
    passes : int
        Products so far.
    dense : bool
        Whether entries stand in memory.
    """

    dense = False
    stored: Any = None  # the matrix, or its adjoint, if the core's own iteration takes it

    def __init__(self, shape: tuple[int, int], algebra: Algebra) -> None:
        self.shape, self.algebra = shape, algebra
        self.scale, self.passes = 1.0, 0
        self.norm2: float | None = None  # of scale * A
        self.zero = False
        self.cancellation = 0.0
        self.factor = 1.0  # of what is a scaled copy

    def matmat(self, X: Any) -> Any:
        """A X."""
        self.passes += 1
        return self._times(self._scaled(X))

    def rmatmat(self, Z: Any) -> Any:
        """A^H Z."""
        self.passes += 1
        return self._adjoint_times(self._scaled(Z))

    def _scaled(self, X: Any) -> Any:
        return X if self.scale == 1 else X * self.scale

    def _times(self, X: Any) -> Any:
        raise NotImplementedError

    def _adjoint_times(self, Z: Any) -> Any:
        raise NotImplementedError

    def squares(self) -> float | None:
        """The squared norm of scale * A."""
        raise NotImplementedError

    def largest(self) -> float:
        """The largest modulus of an entry, or something like it; NaN if one is not finite."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Look at the norm once; LinAlgError for what is not finite."""
        low, high, most = RANGES[self.algebra.char.lower()]
        with np.errstate(all="ignore"):
            norm2 = self.squares()
            if norm2 is not None and low**2 < norm2 < high**2:
                self.norm2 = norm2
                return
            largest = self.largest()
        if not math.isfinite(largest):
            raise np.linalg.LinAlgError("A has a NaN or an infinity")
        if largest == 0:
            self.zero, self.norm2 = True, 0.0
            return
        if not low < largest < high:
            self.scale = 2.0 ** min(max(-math.frexp(largest)[1], -most), most)
        if norm2 is not None:
            self.norm2 = self.squares()

    def single(self) -> Products | None:
        """The same in single precision, from a copy of half the size; None where there is none."""
        return None

    def mean(self) -> np.ndarray:
        """Means of the columns, in double precision on the host."""
        raise NotImplementedError

    def trace(self) -> float | None:
        """The real part of the trace of scale * A, or None where entries cannot be asked."""
        return None

    def gram(self) -> np.ndarray | None:
        """A^H A of scale * A on the host, or None where it is not to be had in one pass."""
        return None

    def entries(self) -> Any:
        """A as a dense array of the library, of scale * A."""
        n = self.shape[1]
        return self.matmat(self.algebra.from_host(np.eye(n)))


def _core() -> Any:
    return dispatch.backend("numpy").svd


def _squares(x: np.ndarray, scale: float) -> float:
    """The sum of |scale x|^2 of a contiguous array; by threads of the core, which do not spin."""
    return float(_core().squares(x.ravel(order="K")[None, :], scale)[0])


def _double(x: np.ndarray) -> np.ndarray:
    return x.astype(np.result_type(x.dtype, np.float64), copy=False)


class Dense(Products):
    """A 2-d array of the computing dtype, in memory, of any library."""

    dense = True

    def __init__(self, A: Any, algebra: Algebra) -> None:
        super().__init__(tuple(A.shape), algebra)
        self.A, self.stored = A, self

    def _times(self, X: Any) -> Any:
        if self.algebra.kind == "numpy":
            return _core().product(self.A, np.ascontiguousarray(X))
        return self.A @ X

    def _adjoint_times(self, Z: Any) -> Any:
        if self.algebra.kind == "numpy":
            return _core().product(self.A, np.ascontiguousarray(Z), True)
        # conj of the panel, not of A
        xp = self.algebra.xp
        T = xp.matrix_transpose(self.A)
        return xp.conj(T @ xp.conj(Z)) if self.algebra.complex else T @ Z

    def _panels(self) -> Any:
        """Some rows, or columns of what is stored by columns, at a time."""
        by_columns = self.algebra.kind == "numpy" and self.A.flags.f_contiguous
        A = self.A.T if by_columns else self.A
        rows, length = A.shape
        size = _PANEL if self.algebra.kind == "numpy" else _DEVICE_PANEL
        step = max(1, size // max(length, 1))
        for i in range(0, rows, step):
            yield A[i : min(i + step, rows), :]

    def squares(self) -> float | None:
        if self.algebra.kind == "numpy":
            return _squares(self.A, self.scale)
        xp = self.algebra.xp
        parts = []
        for P in self._panels():
            x = xp.abs(P)
            if x.dtype != xp.float64:
                x = xp.astype(x, xp.float64)
            x = x * self.scale if self.scale != 1 else x
            parts.append(xp.sum(x * x))
        return float(sum(parts[1:], parts[0]))

    def largest(self) -> float:
        xp = self.algebra.xp
        tops = [(xp.max(xp.abs(P)), xp.all(xp.isfinite(P))) for P in self._panels()]
        if not all(bool(fine) for _, fine in tops):
            return math.nan
        return max(float(top) for top, _ in tops)

    def single(self) -> Products | None:
        low, factor = self.algebra.single(), self._unit()
        if self.algebra.kind == "numpy":
            copied = _core().single(self.A, factor)
        else:
            copied = self.algebra.xp.astype(self.A * factor, low.dtype)
        result = Dense(copied, low)
        result.factor = factor
        return result

    def _unit(self) -> float:
        """A power of two that makes the norm of A about 1."""
        norm = math.sqrt(self.norm2 or 1.0)
        return self.scale * 2.0 ** -math.frexp(norm)[1]

    def mean(self) -> np.ndarray:
        if self.algebra.kind == "numpy":
            wide = np.result_type(self.A.dtype, np.float64)
            return np.asarray(self.A.mean(axis=0, dtype=wide))
        xp = self.algebra.xp
        wide = xp.complex128 if self.algebra.complex else xp.float64
        return dispatch.to_numpy(xp.sum(self.A, axis=0, dtype=wide)) / self.shape[0]

    def trace(self) -> float | None:
        numpy = self.algebra.kind == "numpy"
        diagonal = np.diagonal(self.A) if numpy else self.algebra.xp.linalg.diagonal(self.A)
        return self.scale * float(_double(dispatch.to_numpy(diagonal)).real.sum())

    def gram(self) -> np.ndarray | None:
        self.passes += 1
        if self.algebra.kind == "numpy" and not self.algebra.complex and self.scale == 1:
            return np.asarray(self.A.T @ self.A)  # by syrk
        if self.algebra.kind != "numpy":
            A = self._scaled(self.A)
            return dispatch.to_numpy(self.algebra.adjoint(A) @ A)
        total = np.zeros((self.shape[1],) * 2, self.algebra.char)
        step = max(64, _PANEL // self.shape[1])
        for i in range(0, self.shape[0], step):
            P = self._scaled(self.A[i : i + step])
            total += P.conj().T @ P
        return total

    def entries(self) -> Any:
        self.passes += 1
        return self._scaled(self.A)


class Panels(Products):
    """A memmap, or entries of another dtype, or A minus its means: a panel in memory at a time."""

    def __init__(self, A: np.ndarray, algebra: Algebra, shift: np.ndarray | None = None) -> None:
        super().__init__(tuple(A.shape), algebra)
        self.A, self.shift = A, shift
        self.by_columns = A.flags.f_contiguous and not A.flags.c_contiguous

    def _panels(self) -> Any:
        """(slice, panel as the computing dtype)."""
        m, n = self.shape
        lines, length = (n, m) if self.by_columns else (m, n)
        step = max(1, _PANEL // max(length, 1))
        shift = self.shift
        for i in range(0, lines, step):
            where = slice(i, min(i + step, lines))
            P = np.asarray(self.A[:, where] if self.by_columns else self.A[where])
            if shift is not None:
                off = shift[where] if self.by_columns else shift
                P = (_double(P) - off).astype(self.algebra.char, copy=False)
            yield where, P.astype(self.algebra.char, copy=False)

    def _times(self, X: Any) -> Any:
        Y = np.zeros((self.shape[0], X.shape[1]), self.algebra.char)
        for where, P in self._panels():
            if self.by_columns:
                Y += P @ X[where]
            else:
                np.matmul(P, X, out=Y[where])
        return Y

    def _adjoint_times(self, Z: Any) -> Any:
        Y = np.zeros((self.shape[1], Z.shape[1]), self.algebra.char)
        Z = Z.conj() if self.algebra.complex else Z
        for where, P in self._panels():
            if self.by_columns:
                np.matmul(P.T, Z, out=Y[where])
            else:
                Y += P.T @ Z[where]
        return Y.conj() if self.algebra.complex else Y

    def squares(self) -> float | None:
        return sum(_squares(np.ascontiguousarray(P), self.scale) for _, P in self._panels())

    def trace(self) -> float | None:
        return self.scale * float(_double(np.diagonal(self.A)).real.sum())

    def largest(self) -> float:
        tops = [float(np.abs(P).max(initial=0)) for _, P in self._panels()]
        return max(tops) if all(map(math.isfinite, tops)) else math.nan

    def mean(self) -> np.ndarray:
        m, n = self.shape
        total = np.zeros(n, np.result_type(self.algebra.char, np.float64))
        for where, P in self._panels():
            if self.by_columns:
                total[where] = _double(P).sum(axis=0)
            else:
                total += P.sum(axis=0, dtype=total.dtype)
        return total / m

    def gram(self) -> np.ndarray | None:
        if self.by_columns:
            return None
        self.passes += 1
        total = np.zeros((self.shape[1],) * 2, self.algebra.char)
        for _, P in self._panels():
            P = self._scaled(P)
            total += P.conj().T @ P if self.algebra.complex else P.T @ P
        return total

    def entries(self) -> Any:
        self.passes += 1
        axis = 1 if self.by_columns else 0
        return self._scaled(np.concatenate([P for _, P in self._panels()], axis=axis))


class Sparse(Products):
    """CSR of SciPy, or of CuPy."""

    def __init__(self, A: Any, algebra: Algebra) -> None:
        super().__init__(tuple(A.shape), algebra)
        self.A, self.stored = A, self
        # on a device a product with the transpose is slow, or not in a fixed order
        self._back = A.T.tocsr() if algebra.kind == "cupy" else None

    def triple(self) -> tuple[Any, ...]:
        """What the core takes."""
        A = self.A
        wide = np.int64 if np.int64 in (A.indices.dtype, A.indptr.dtype) else np.int32
        return (*(validate.packed(x, wide) for x in (A.indptr, A.indices)), validate.packed(
            A.data, self.algebra.char), self.shape)  # fmt: skip

    def _times(self, X: Any) -> Any:
        if self._back is None:
            return _core().sparse_product(*self.triple(), np.ascontiguousarray(X))
        return self.A @ X

    def _adjoint_times(self, Z: Any) -> Any:
        if self._back is None:
            return _core().sparse_product(*self.triple(), np.ascontiguousarray(Z), True)
        if not self.algebra.complex:
            return self._back @ Z
        return self.algebra.xp.conj(self._back @ self.algebra.xp.conj(Z))

    def squares(self) -> float | None:
        xp = self.algebra.xp
        if self._back is None:
            return _squares(validate.packed(self.A.data, self.algebra.char), self.scale)
        x = xp.abs(self.A.data).astype(np.float64)
        x *= self.scale
        return float(xp.sum(x * x))

    def largest(self) -> float:
        xp = self.algebra.xp
        if not self.A.data.size:
            return 0.0
        top = float(xp.max(xp.abs(self.A.data)))
        return top if math.isfinite(top) and bool(xp.all(xp.isfinite(self.A.data))) else math.nan

    def trace(self) -> float | None:
        return self.scale * float(_double(dispatch.to_numpy(self.A.diagonal())).real.sum())

    def mean(self) -> np.ndarray:
        wide = "D" if self.algebra.complex else "d"
        return self._sums(self.A.data.astype(wide)) / self.shape[0]

    def _sums(self, values: Any) -> np.ndarray:
        """Sums over the columns of entries of this pattern, on the host."""
        indices, values = (dispatch.to_numpy(x) for x in (self.A.indices, values))
        parts = [
            np.bincount(indices, weights=w, minlength=self.shape[1])
            for w in ((values.real, values.imag) if values.dtype.kind == "c" else (values,))
        ]
        return parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]

    def centred_squares(self, mu: np.ndarray) -> float:
        """The squared norm of scale (A - 1 mu^T), without a cancellation."""
        indices, values = (dispatch.to_numpy(x) for x in (self.A.indices, self.A.data))
        count = np.bincount(indices, minlength=self.shape[1])
        off = np.abs((_double(values) - mu[indices]) * self.scale)
        rest = (self.shape[0] - count) * np.abs(mu * self.scale) ** 2
        return float((off**2).sum() + rest.sum())


def _top(Y: np.ndarray) -> float:
    top = float(np.abs(Y).max(initial=0))
    return top if math.isfinite(top) else math.nan


class Operator(Products):
    """Any object with matmat and rmatmat, which get blocks that are stored by columns."""

    def __init__(self, A: Any, algebra: Algebra) -> None:
        super().__init__(tuple(A.shape), algebra)
        self.A = A
        self.looked = False

    def _call(self, name: str, X: np.ndarray, rows: int) -> np.ndarray:
        with np.errstate(invalid="ignore", over="ignore"):  # which is looked at
            found = getattr(self.A, name)(np.asfortranarray(X))
        Y = np.asarray(found)
        if Y.shape != (rows, X.shape[1]):
            raise TypeError(
                f"{name} of A must return shape {(rows, X.shape[1])} for a block of shape "
                f"{X.shape}, got {Y.shape}"
            )
        if not np.can_cast(Y.dtype, self.algebra.char, "same_kind"):
            raise TypeError(
                f"{name} of A must return dtype {np.dtype(self.algebra.char)}, got {Y.dtype}"
            )
        return np.ascontiguousarray(Y, dtype=self.algebra.char)

    def _times(self, X: Any) -> Any:
        return self._call("matmat", X, self.shape[0])

    def _adjoint_times(self, Z: Any) -> Any:
        return self._call("rmatmat", Z, self.shape[1])

    def prepare(self) -> None:
        """Nothing: the first product tells, since products may be dear."""

    def _first(self, times: Any, X: Any) -> Any:
        """A product, and from its size the scale of all."""
        low, high, most = RANGES[self.algebra.char.lower()]
        self.looked = True
        Y, factor = times(X), 1.0
        top = _top(Y)
        for other in (2.0**-most, 2.0**most):
            if (other < 1 and not math.isfinite(top)) or (other > 1 and top == 0):
                self.passes += 1
                factor = other
                Y = times(X * factor)
                top = _top(Y)
        if not math.isfinite(top):
            raise np.linalg.LinAlgError("A has a NaN or an infinity")
        if top == 0 or (factor == 1 and low < top < high):
            return Y
        more = 2.0 ** min(max(-math.frexp(top)[1], -most), most)
        self.scale = factor * more
        return Y * more

    def matmat(self, X: Any) -> Any:
        if self.looked:
            return super().matmat(X)
        self.passes += 1
        return self._first(self._times, X)

    def rmatmat(self, Z: Any) -> Any:
        if self.looked:
            return super().rmatmat(Z)
        self.passes += 1
        return self._first(self._adjoint_times, Z)

    def mean(self) -> np.ndarray:
        ones = np.ones((self.shape[0], 1), self.algebra.char)
        return _double(self._adjoint_times(ones)[:, 0].conj()) / self.shape[0]


class Adjoint(Products):
    """A^H."""

    def __init__(self, A: Products) -> None:
        super().__init__(A.shape[::-1], A.algebra)
        self.of, self.dense = A, A.dense
        self.norm2, self.zero, self.cancellation = A.norm2, A.zero, A.cancellation
        self.scale, self.stored = A.scale, A.stored

    def matmat(self, X: Any) -> Any:
        self.passes += 1
        return self.of.rmatmat(X)

    def rmatmat(self, Z: Any) -> Any:
        self.passes += 1
        return self.of.matmat(Z)

    def single(self) -> Products | None:
        low = self.of.single()
        return None if low is None else Adjoint(low)

    def gram(self) -> np.ndarray | None:
        """A A^H, of what is dense."""
        if not isinstance(self.of, Dense):
            return None
        self.passes += 1
        turned = Dense(self.algebra.adjoint(self.of.A), self.algebra)
        turned.scale = self.scale
        return turned.gram()

    def entries(self) -> Any:
        self.passes += 1
        return self.algebra.adjoint(self.of.entries())


class Centred(Products):
    """A - 1 mu^T, not formed."""

    def __init__(self, A: Products, mu: np.ndarray) -> None:
        super().__init__(A.shape, A.algebra)
        self.of, self.mu, self.scale = A, mu, A.scale

    def _row(self) -> Any:
        """The means of scale * A; an operator knows its scale after a product only."""
        self.scale = self.of.scale
        return self.algebra.from_host((self.mu * self.scale)[None, :])

    def matmat(self, X: Any) -> Any:
        self.passes += 1
        Y = self.of.matmat(X)
        return Y - self._row() @ X

    def rmatmat(self, Z: Any) -> Any:
        self.passes += 1
        Y = self.of.rmatmat(Z)
        sums = self.algebra.xp.sum(Z, axis=0, keepdims=True)
        return Y - self.algebra.adjoint(self._row()) @ sums

    def single(self) -> Products | None:
        low = self.of.single() if self.cancellation < 10 else None
        return None if low is None else Centred(low, self.mu * low.factor)

    def entries(self) -> Any:
        self.passes += 1
        entries = self.of.entries()
        return entries - self._row()

    def gram(self) -> np.ndarray | None:
        G = self.of.gram()
        if G is None:
            return None
        self.passes += 1
        mu = (self.mu * self.scale).astype(G.dtype)
        return np.asarray(G - self.shape[0] * np.outer(mu.conj(), mu))


# ---- from the argument ---------------------------------------------------------------------------


def centred(A: Products) -> tuple[Products, np.ndarray]:
    """A minus the means of its columns, and these.

    Where the means are a thousand times what is left, products lose three digits and more, and a
    dense A is shifted panel by panel instead.
    """
    mu = A.mean()
    if not np.isfinite(mu).all():
        raise np.linalg.LinAlgError("A has a NaN or an infinity")
    result: Products = Centred(A, mu)
    size = float(np.linalg.norm(mu * A.scale)) * math.sqrt(A.shape[0])
    if isinstance(A, Sparse):
        result.norm2 = A.centred_squares(mu)
    elif A.norm2 is not None:
        result.norm2 = max(A.norm2 - size**2, 0.0)
        if A.norm2 and result.norm2 < 1e-4 * A.norm2:  # which the difference does not tell well
            shifted = _shifted(A, mu)
            if shifted is not None:
                shifted.prepare()
                if result.norm2 < 1e-6 * A.norm2:
                    return shifted, mu
                result.norm2 = shifted.norm2
    if result.norm2 is not None:
        result.zero = result.norm2 == 0
        least = max(math.sqrt(result.norm2), A.algebra.eps * size)
        result.cancellation = size / least if size else 0.0
    return result, mu


def _shifted(A: Products, mu: np.ndarray) -> Products | None:
    if isinstance(A, Panels) or (isinstance(A, Dense) and A.algebra.kind == "numpy"):
        return Panels(A.A, A.algebra, mu)
    if isinstance(A, Dense):  # a device has no panels: a copy
        wide = A.algebra.xp.complex128 if A.algebra.complex else A.algebra.xp.float64
        xp = A.algebra.xp
        shift = Algebra(A.algebra.like, "D" if A.algebra.complex else "d", A.algebra.stream)
        return Dense(A.algebra.cast(xp.astype(A.A, wide) - shift.from_host(mu)[None, :]), A.algebra)
    return None


def canonical(A: Any) -> Any:
    """CSR without duplicates, of a dtype that computes; the caller's own where it is one."""
    A = operators.sound("A", A).tocsr()
    if not A.has_canonical_format:
        A = A.copy()
        A.sum_duplicates()
    return A
