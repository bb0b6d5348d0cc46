"""Panels of a few columns: Gaussian ones, orthonormal ones, and small matrices, for any library.

What is l x l goes to the host, where LAPACK is as fast as a device for such sizes; of Gram matrices
on a GPU only triangles do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._core import dispatch
from ._core.random import Stream

PROBES = 6  # columns that estimate an error
_COMPLETION = 1 << 30  # sub-streams from here on complete panels


class NotFiniteError(ArithmeticError):
    """A product has a NaN or an infinity."""


class Algebra:
    """Operations on panels of one library, device and dtype; counts what fell back to QR.

    Parameters
    ----------
    like : array
        Any array of the library, on the device.
    char : str
        Dtype that computes: one of f d F D.
    stream : Stream
        Where Gaussian panels come from.
    """

    def __init__(self, like: Any, char: str, stream: Stream) -> None:
        self.like, self.char, self.stream = like, char, stream
        self.kind = dispatch.kind_of(like)
        self.xp: Any = np if self.kind == "numpy" else dispatch.namespace(like)
        self.complex = char in "FD"
        self.eps = float(np.finfo(char).eps)
        self.dtype = getattr(self.xp, np.dtype(char).name)
        self.fallbacks = 0

    def single(self) -> Algebra:
        """The same in single precision."""
        return Algebra(self.like, "F" if self.complex else "f", self.stream)

    def from_host(self, x: np.ndarray) -> Any:
        """An array of the host as one of this library and dtype."""
        x = np.ascontiguousarray(x, dtype=self.char)
        if self.kind == "numpy":
            return x
        from array_api_compat import device

        return self.xp.asarray(x, device=device(self.like))

    def real_from_host(self, x: np.ndarray) -> Any:
        """Real numbers of the host as an array of this library and precision."""
        x = np.ascontiguousarray(x, dtype=self.char.lower())
        if self.kind == "numpy":
            return x
        from array_api_compat import device

        return self.xp.asarray(x, device=device(self.like))

    def cast(self, X: Any) -> Any:
        """A panel in this dtype."""
        return X.astype(self.char, copy=False) if self.kind == "numpy" else self._astype(X)

    def _astype(self, X: Any) -> Any:
        return X if X.dtype == self.dtype else self.xp.astype(X, self.dtype)

    def adjoint(self, X: Any) -> Any:
        """X^H."""
        if self.kind == "numpy":
            return X.conj().T if self.complex else X.T
        T = self.xp.matrix_transpose(X)
        return self.xp.conj(T) if self.complex else T

    def beside(self, parts: list[Any]) -> Any:
        """Panels side by side."""
        parts = [part for part in parts if part is not None]
        return parts[0] if len(parts) == 1 else self.xp.concat(parts, axis=1)

    def probes(self, length: int) -> Any:
        """Gaussian columns that estimate errors: independent of those that iterate."""
        return self.gaussian(length, 0, PROBES, "SVD_PROBE")

    def gaussian(self, length: int, first: int, count: int, kind_name: str = "SVD_GAUSSIAN") -> Any:
        """Columns first ... first + count - 1 of a Gaussian matrix of this many rows.

        Column j is sub-stream j.  Complex numbers have variance 1 together.
        """
        kind = kind_of_stream(kind_name)
        if self.kind == "cupy":
            device = dispatch.backend("cupy").svd
            return device.gaussian(self.stream, kind, length, first, count, self.char)
        rows = np.empty((count, length * (2 if self.complex else 1)), self.char.lower())
        draw = dispatch.backend("numpy").core.draw
        for j in range(count):
            draw("normal", self.stream.key, self.stream.offset, kind, first + j, 0, rows[j])
        X = rows.view(self.char) * math.sqrt(0.5) if self.complex else rows
        return self.from_host(X.T)

    # ---- orthonormal panels ----------------------------------------------------------------------

    def normalise(self, Y: Any) -> tuple[Any, np.ndarray]:
        """Q, R with Y = Q R; Q spans what Y does and is orthonormal to some sqrt(eps) or better.

        The Gram matrix, its diagonal scaled to 1, must have a Cholesky factor whose diagonal is
        above 30 sqrt(eps); else Householder's QR is taken.  There is no shift: it would erase
        directions below sqrt(eps) times the largest.
        """
        if self.kind == "numpy":
            return self._by_the_core(Y, "normalise")
        Q, R, _ = self._pass(Y)
        return Q, R

    def orthonormalise(self, Y: Any) -> tuple[Any, np.ndarray]:
        """Q, R with Y = Q R and Q orthonormal to rounding: twice, the second time of Q."""
        if self.kind == "numpy":
            return self._by_the_core(Y, "orthonormalise")
        Q, R, fell_back = self._pass(Y)
        if fell_back:
            return Q, R
        Q, again, _ = self._pass(Q)
        return Q, again @ R

    def _by_the_core(self, Y: Any, name: str) -> tuple[Any, np.ndarray]:
        binding = dispatch.backend("numpy").svd
        try:
            Q, R, fell_back = getattr(binding, name)(np.ascontiguousarray(Y))
        except binding.NotFinite:
            raise NotFiniteError from None
        self.fallbacks += fell_back
        return Q, R

    def _pass(self, Y: Any) -> tuple[Any, np.ndarray, bool]:
        gram = self.adjoint(Y) @ Y
        least = 30 * math.sqrt(self.eps)
        if self.kind == "cupy":
            found = dispatch.backend("cupy").svd.triangles(gram, least)
            if found is None and not bool(self.xp.all(self.xp.isfinite(gram))):
                raise NotFiniteError
        else:
            found = _triangles(dispatch.to_numpy(gram), least)
            found = None if found is None else (self.from_host(found[0]), found[1])
        if found is not None:
            return Y @ found[0], found[1], False
        self.fallbacks += 1
        Q, R = self.xp.linalg.qr(Y, mode="reduced")
        return Q, dispatch.to_numpy(R), True

    def extend(self, Q: Any, Y: Any) -> Any:
        """An orthonormal basis of what Y adds to the orthonormal columns of Q, as wide as Y.

        A column that adds nothing gives way to a Gaussian one.  What QR completes a panel with may
        lie in the span of Q: unit vectors, where A has few rows that are not zero.
        """
        if Q is None:
            return self.orthonormalise(Y)[0]
        old, width = Q.shape[1], Y.shape[1]
        X = self.normalise(Y)[0]
        for _ in range(6):
            inside = self.adjoint(Q) @ X
            X, R = self.orthonormalise(X - Q @ inside)
            lost = np.abs(R.diagonal()) <= 1e3 * self.eps
            if lost.any():
                G = self.gaussian(X.shape[0], _COMPLETION + old, width)
                keep = self.from_host(np.where(lost, 0.0, 1.0))[None, :]
                X = self.normalise(X * keep + G * (1 - keep))[0]
            elif float(self.xp.max(self.xp.abs(inside))) <= 1e-3:  # twice is enough
                return X
        return self.xp.linalg.qr(self.beside([Q, X]), mode="reduced")[0][:, old:]

    # ---- small things ----------------------------------------------------------------------------

    def column_norms(self, E: Any) -> np.ndarray:
        """Norms of columns, on the host in double precision."""
        squares = self.xp.sum(self.xp.abs(E) ** 2, axis=0)
        return np.sqrt(dispatch.to_numpy(squares).astype(np.float64))

    def scaled_columns(self, X: Any, s: np.ndarray) -> Any:
        """X diag(s)."""
        return X * self.from_host(s)[None, :]

    def signs(self, U: Any, V: Any) -> tuple[Any, Any]:
        """Factors with the entry of largest modulus in each column of U real and positive.

        U is (..., m, k) and V (..., n, k).
        """
        xp = self.xp
        size = xp.abs(U)
        top = xp.argmax(size, axis=-2, keepdims=True)
        if self.kind in ("numpy", "cupy"):
            pick = xp.take_along_axis(U, top, axis=-2)
        else:
            index = self.from_indices(U.shape[-2])
            at = xp.reshape(index, (U.shape[-2], 1)) == xp.astype(top, index.dtype)
            pick = xp.sum(xp.where(at, U, xp.zeros_like(U)), axis=-2, keepdims=True)
        modulus = xp.abs(pick)
        one = xp.ones_like(pick)
        phase = xp.where(modulus > 0, pick / xp.where(modulus > 0, modulus, xp.ones_like(modulus)),
                         one)  # fmt: skip
        back = xp.conj(phase) if self.complex else phase
        return U * back, V * back

    def from_indices(self, count: int) -> Any:
        """0 ... count - 1, on the device."""
        from array_api_compat import device

        return self.xp.arange(count, dtype=self.xp.int64, device=device(self.like))


def _triangles(gram: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray] | None:
    """R and its inverse with gram = R^H R, or None where it is not certain."""
    d = np.sqrt(gram.diagonal().real)
    if not np.isfinite(gram).all():
        raise NotFiniteError
    d = np.where(d > 0, d, 1)
    try:
        L = np.linalg.cholesky(gram / d / d[:, None])
    except np.linalg.LinAlgError:
        return None
    if not L.diagonal().real.min(initial=1) > least:
        return None
    R = L.conj().T * d
    inverse = np.linalg.inv(L).conj().T / d[:, None]
    return inverse, R


def kind_of_stream(name: str) -> int:
    """Number of a kind of random numbers."""
    return int(dispatch.backend("numpy").core.kinds()[name])
