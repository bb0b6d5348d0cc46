"""QR factorisations on a device: what `randla._cpu.qr` is to NumPy, with the same function.

Sketches, probes, certificate and ladder are those of native/src/qr.c.  Neither A nor Q, nor
anything of their length, leaves the device: the host gets an n x n triangle where there are pivots
to choose (cuSOLVER has no geqp3, and the triangle of an unpivoted QR has the pivots of its matrix),
and a few numbers that decide which step comes next.

A matrix with m rows of numbers that follow each other is what cuBLAS's solve from the left takes
(as its transpose, by columns); the last product of a pass writes Q by columns, as results are.
The passes take ``4 m n**2`` flops of cuBLAS; the host's geqp3 bounds the speed where n is large.
"""

from __future__ import annotations

import math
from typing import Any

import cupy
import numpy as np

from .._core import dispatch
from . import sketch

_HOST = dispatch.backend("numpy").qr
METHODS, INFO = _HOST.METHODS, _HOST.INFO
NotFinite, Overflow = _HOST.NotFinite, _HOST.Overflow

_NAMES = {code: name for name, code in METHODS.items()}
_WORD64 = 2**64
_OPERATOR = 2**40
_PROBES, _NNZ, _ATTEMPTS = 2, 8, 2
_RIGHT, _LOOSE, _WRONG, _BROKEN = range(4)  # what a pass came to, as in qr.inc


def qr(
    char: str,
    method: int,
    complete: bool,
    k: int,
    rtol: float,
    key: int,
    offset: int,
    a: Any,
    q: Any,
    r: Any,
    perm: Any,
    info: np.ndarray,
) -> None:
    """Factorise each matrix of a, (batch, m, n) of any strides, none of which is empty.

    q: (batch, p, m), r: (batch, n, p), p = min(m, n); perm: (batch, n) int64, or None, all
    C-contiguous on the device; info: one record of INFO for each matrix, on the host.
    """
    count = len(a)
    for i in range(count):
        one = _Factorisation(char, _NAMES[method], complete, k, rtol, a[i], q[i], r[i], info[i])
        one.streams = [(key, (offset + (i + t * count) * _OPERATOR) % _WORD64) for t in range(3)]
        try:
            one.run()
        except NotFinite:
            raise NotFinite(i) from None
        except Overflow:
            raise Overflow(i) from None
        if perm is not None:
            perm[i] = cupy.asarray(one.perm)


class _Factorisation:
    """One matrix: A[:, perm] = Q R, everything computed for factor A."""

    def __init__(
        self, char: str, method: str, complete: bool, k: int, rtol: float, a: Any, q: Any, r: Any,
        report: Any,
    ) -> None:  # fmt: skip
        self.dtype, self.method, self.complete, self.rtol = np.dtype(char), method, complete, rtol
        self.real = np.dtype(char.lower())
        self.eps = float(np.finfo(self.real).eps)
        self.m, self.n = a.shape
        self.p = min(a.shape)
        self.k = k or self.p
        self.pivoted = method in ("cqrrpt", "bqrrp", "householder")
        self.a, self.q, self.r, self.report = a, q, r, report
        self.perm = np.arange(self.n)
        self.streams: list[tuple[int, int]] = []
        self.factor, self.k0 = 1.0, 0
        report["method"], report["cond"] = METHODS[method], math.nan
        report["attempts"] = report["rank"] = report["columns"] = 0

    def run(self) -> None:
        if self.method in ("cqrrpt", "cqrrt"):
            done = self._sketched()
        elif self.method in ("cholqr2", "cholqr3"):
            done = self._cholesky()
        else:
            done = False
        if not done:
            self._householder()

    # ---- what every path needs -------------------------------------------------------------------

    def _scalar(self, x: float) -> Any:
        return self.dtype.type(x)

    def _largest(self, x: Any) -> float:
        """The largest modulus of a part of a number; a NaN or an infinity passes."""
        parts = (x.real, x.imag) if self.dtype.kind == "c" else (x,)
        both = cupy.stack([cupy.abs(part).max() for part in parts])
        return float(both.max())

    def _set_factor(self, largest: float) -> None:
        most = 120 if self.eps > 1e-10 else 1000
        self.factor = math.ldexp(1.0, min(max(-math.frexp(largest)[1], -most), most))

    def _survey(self) -> float:
        """Reads A once for its largest entry."""
        largest = self._largest(self.a)
        if not math.isfinite(largest):
            raise NotFinite(0)
        self._set_factor(largest)
        return largest

    def _zero(self) -> None:
        """R = 0, Q the first columns of the identity."""
        self.perm = np.arange(self.n)
        self.r.fill(0)
        self.q.fill(0)
        index = cupy.arange(self.p)
        self.q[index, index] = 1
        self.report["rank"] = 0
        self.report["columns"] = self.k if self.complete or not self.pivoted else 0
        self.report["orth"] = self.report["residual"] = 0.0

    def _columns(self, index: np.ndarray) -> Any:
        """factor A[:, index], with contiguous rows."""
        W = cupy.empty((self.m, len(index)), self.dtype)
        cupy.take(self.a, cupy.asarray(index), axis=1, out=W)
        W *= self._scalar(self.factor)
        return W

    def _whole(self) -> Any:
        """factor A, with contiguous rows."""
        W = cupy.empty((self.m, self.n), self.dtype)
        return cupy.multiply(self.a, self._scalar(self.factor), out=W)

    def _conclude(self, R: Any) -> None:
        """The rank, the columns that are asked for, and R (k0 x n) of A instead of factor A."""
        report, k0 = self.report, self.k0
        self.r.fill(0)
        self.r[:, :k0] = R.T
        diagonal = cupy.diagonal(R).real.get()
        rtol = self.p * self.eps if self.rtol < 0 else self.rtol
        rank = int((diagonal > rtol * diagonal.max(initial=0)).sum())
        columns = self.k if self.complete or not self.pivoted else min(self.k, rank)
        if columns < k0:  # what truncation leaves out
            left, whole = _numbers(_squares(R[columns:]), _squares(R))
            before = 0.0 if math.isnan(report["residual"]) else report["residual"]
            report["residual"] = math.sqrt(before**2 + left / whole)
        report["rank"], report["columns"] = rank, columns
        self.r *= self._scalar(1 / self.factor)
        if not bool(cupy.isfinite(self.r[:, :columns]).all()):
            raise Overflow(0)

    def _turned(self, q: Any, R: Any) -> Any:
        """R with a real diagonal >= 0, and q, the rows of which are columns of Q, in its place."""
        diagonal = cupy.diagonal(R)
        size = cupy.abs(diagonal)
        unit = cupy.where(size > 0, diagonal / cupy.where(size > 0, size, 1), 1)
        unit = unit.astype(self.dtype)
        R = R * unit.conj()[:, None]
        index = cupy.arange(len(R))
        R[index, index] = size  # exactly
        if q is not None:
            q *= unit[:, None]
        return R

    def _pivots(self, T: Any) -> tuple[Any, Any, np.ndarray]:
        """T[:, perm] = Q R on the host: Q^T, R, perm."""
        p, n = T.shape
        host = np.ascontiguousarray(T.get())[None]
        if not np.isfinite(host).all():
            raise NotFinite(0)
        Q, R = np.empty((1, p, p), self.dtype), np.empty((1, n, p), self.dtype)
        perm, info = np.empty((1, n), np.int64), np.zeros(1, INFO)
        _HOST.qr(
            self.dtype.char, METHODS["householder"], True, 0, 0.0, 0, 0, host, Q, R, perm, info
        )
        return cupy.asarray(Q[0]), cupy.asarray(R[0]).T, perm[0]

    # ---- Householder -----------------------------------------------------------------------------

    def _householder(self) -> None:
        """cuSOLVER's geqrf and orgqr; with pivots, the triangle's from the host."""
        report, largest = self.report, self._survey()
        report["method"] = METHODS["householder" if self.pivoted else "plain"]
        report["attempts"] += 1
        report["cond"] = report["orth"] = report["residual"] = math.nan
        if largest == 0:
            self._zero()
            return
        Q, R = cupy.linalg.qr(self._whole(), mode="reduced")
        if self.pivoted:
            small, R, self.perm = self._pivots(R)
            cupy.matmul(small, Q.T, out=self.q)
        else:
            self.q[...] = Q.T
            R = self._turned(self.q, R)
        self.k0 = self.p
        self._conclude(R)

    # ---- Cholesky, certificate -------------------------------------------------------------------

    def _probe(self, attempt: int, kind: str, k: int) -> Any:
        """Gaussian numbers, k x 2, as the core draws them."""
        core = dispatch.backend("numpy").core
        X = np.empty((_PROBES, k), self.real)
        for column in range(_PROBES):
            core.draw("normal", *self.streams[attempt], core.kinds()[kind], column, 0, X[column])
        return cupy.asarray(X.T.astype(self.dtype))

    def _images(self, X: Any, k: int) -> Any:
        """factor A[:, perm[:k]] X, without a copy of A."""
        scattered = cupy.zeros((self.n, _PROBES), self.dtype)
        scattered[cupy.asarray(self.perm[:k])] = X
        scattered *= self._scalar(self.factor)
        return cupy.matmul(self.a, scattered)

    def _estimates(self, attempt: int, R: Any, columns: int) -> tuple[float, float, float]:
        """Norms of factor A[:, perm[:columns]] - Q R, of Q^H Q - I and of R, by the probes."""
        X = self._probe(attempt, "QR_RESIDUAL", columns)
        Z = self._probe(attempt, "QR_ORTHOGONALITY", self.k0)
        q, R = self.q[: self.k0], R[:, :columns]
        E = self._images(X, columns) - cupy.matmul(q.T, cupy.matmul(R, X))
        O = cupy.matmul(q.conj(), cupy.matmul(q.T, Z)) - Z  # noqa: E741
        left, off, size, norm = _numbers(_squares(E), _squares(O), _squares(Z), _squares(R))
        return math.sqrt(left / _PROBES), math.sqrt(off / size), math.sqrt(norm)

    def _passes(self, W: Any, R: Any, count: int, shift: float) -> tuple[Any, float]:
        """CholeskyQR from W on, which it uses up: q, and R_c R (R None: R_c); None: it broke down.

        The first pass adds shift trace(G) to the diagonal of the Gram matrix.
        """
        k, cond = W.shape[1], math.inf
        for i in range(count):
            G = cupy.matmul(W.conj().T, W)
            index = cupy.arange(k)
            if i == 0 and shift > 0:
                G[index, index] += cupy.trace(G) * self._scalar(shift)
            L = _cholesky(G)
            if L is None:
                return None, math.inf
            inverse = _solve_triangular(L, cupy.eye(k, dtype=self.dtype), lower=True)
            both = _numbers(*(cupy.abs(x).sum(axis=1).max() for x in (L, inverse)))
            cond = both[0] * both[1]  # of R_c = L^H
            if not cond < math.inf:
                return None, math.inf
            factor = L.conj().T
            R = factor if R is None else cupy.matmul(factor, R)
            # an inverse is to be multiplied by where it is well conditioned alone
            good = cond <= 20 * k
            if not good:
                W = _divided(W, factor)
            if i == count - 1:
                if good:
                    cupy.matmul(inverse.conj(), W.T, out=self.q[:k])
                else:
                    self.q[:k] = W.T
            elif good:
                W = cupy.matmul(W, inverse.conj().T)
        self.k0 = k
        return R, cond

    def _judge(self, attempt: int, R: Any, cond: float) -> int:
        """Whether the certificate holds for the first k0 columns."""
        left, orth, norm = self._estimates(attempt, R, self.k0)
        report = self.report
        report["cond"], report["orth"], report["residual"] = cond, orth, left / norm
        if not left / norm <= self._most_residual(self.k0):
            return _WRONG
        if orth <= 40 * self.eps and cond <= 20 * self.k0:
            return _RIGHT
        return _LOOSE if cond < 0.1 / math.sqrt(self.eps) else _WRONG

    def _most_residual(self, n: int) -> float:
        return min(30 * math.sqrt(n), 50) * self.eps

    def _certified(self, attempt: int, W: Any, R: Any, count: int, shift: float) -> tuple[int, Any]:
        """Passes, and one more where that will do."""
        R, cond = self._passes(W, R, count, shift)
        if R is None:
            return _BROKEN, None
        verdict = self._judge(attempt, R, cond)
        if verdict != _LOOSE:
            return verdict, R
        self.report["attempts"] += 1
        R, cond = self._passes(cupy.ascontiguousarray(self.q[: self.k0].T), R, 1, 0.0)
        return (_BROKEN, None) if R is None else (self._judge(attempt, R, cond), R)

    def _cholesky(self) -> bool:
        n, m, report = self.n, self.m, self.report
        if self._survey() == 0:
            report["attempts"] = 1
            self._zero()
            return True
        shifts = (0.0, 11 * n * self.eps, 11 * (m * n + n * (n + 1)) * self.eps)
        for i in range(self.method == "cholqr3", 3):
            report["attempts"] += 1
            report["method"] = METHODS["cholqr3" if i else "cholqr2"]
            verdict, R = self._certified(i, self._whole(), None, 3 if i else 2, shifts[i])
            if verdict == _RIGHT:
                self._conclude(R)
                return True
        return False

    # ---- the sketch ------------------------------------------------------------------------------

    def _sketch(self, attempt: int) -> Any:
        """S factor A, or None of a zero matrix; A itself where it has few rows.

        Every row of A is added to rows of the sketch, so that a NaN or an infinity cannot vanish:
        A itself is looked at where the sketch is not of a good size.
        """
        m, n = self.m, self.n
        d = min(m, 3 * n if attempt else max(2 * n, n + 8))
        if d == m:
            return self._whole() if self._survey() > 0 else None
        B = self._apply(attempt, d, self.a)
        largest, limit = self._largest(B), 2.0**90 if self.eps > 1e-10 else 2.0**900
        if 1 / limit <= largest <= limit:
            self._set_factor(largest)
            B *= self._scalar(self.factor)
            return B
        return self._apply(attempt, d, self._whole()) if self._survey() > 0 else None

    def _apply(self, attempt: int, d: int, X: Any) -> Any:
        m, n = X.shape
        nnz = min(_NNZ, d)
        kind = dispatch.backend("numpy").core.kinds()["SPARSE_SIGN"]
        words = (kind, d, m, nnz, 0, *self.streams[attempt], 0, d, 0, m)
        size = self.dtype.itemsize
        by_rows = X.strides[1] == size and X.strides[0] >= n * size
        by_columns = X.strides[0] == size and X.strides[1] >= m * size
        if self.dtype.kind == "c" or not (by_rows or by_columns):
            X, by_rows = cupy.ascontiguousarray(X), True
        B = cupy.empty((d, n), self.dtype, order="C" if by_rows else "F")
        x, b = (y.view(self.real)[None] for y in (X, B)) if by_rows else (X[None], B[None])
        sketch.apply(np.array(words, np.uint64), False, x, b, 1 / math.sqrt(nnz), 0.0)
        return B

    def _sketched(self) -> bool:
        report, verdict, k0, T = self.report, _WRONG, 0, None
        for attempt in range(_ATTEMPTS):
            report["method"] = METHODS[self.method]
            report["attempts"] += 1
            B = self._sketch(attempt)
            if B is None:
                self._zero()
                return True
            T = cupy.linalg.qr(B, mode="r")
            if self.pivoted:
                _, T, self.perm = self._pivots(T)
            else:
                T = self._turned(None, T)
            k0 = self._usable(cupy.diagonal(T).real.get())
            if k0 == 0 or (not self.pivoted and k0 < self.n):
                return False
            k0 = min(k0, self.k)
            verdict, R = self._precondition(attempt, T, k0, 1, 0.0)
            broke = verdict == _BROKEN
            if verdict == _RIGHT and self._finish(attempt, R):
                return True
            verdict = _BROKEN if broke else _WRONG
        if verdict != _BROKEN:
            return False
        report["attempts"] += 1
        last = _ATTEMPTS - 1
        verdict, R = self._precondition(last, T, k0, 3, 11 * k0 * self.eps)
        return verdict == _RIGHT and self._finish(last, R)

    def _usable(self, diagonal: np.ndarray) -> int:
        """How many columns of the triangle it is safe to invert."""
        most = np.maximum.accumulate(diagonal)
        bad = ~(diagonal >= 2 * self.eps**0.95 * most) | (diagonal == 0)
        return int(np.argmax(bad)) if bad.any() else self.n

    def _precondition(
        self, attempt: int, T: Any, k0: int, count: int, shift: float
    ) -> tuple[int, Any]:
        """A[:, perm] R_s^-1 by `count` passes."""
        W = _divided(self._columns(self.perm[:k0]), T[:k0, :k0])
        return self._certified(attempt, W, T[:k0], count, shift)

    def _finish(self, attempt: int, R: Any) -> bool:
        """From the first k0 columns, certified, to the whole result, certified."""
        n, k0 = self.n, self.k0
        if k0 < n:
            everything = k0 < self.k  # else A is only to be approximated
            W = self._columns(self.perm[k0:])
            if everything:
                w = self.q[k0:]
                w[...] = W.T
                R = self._completed(attempt, R[:, :k0], w)
            else:
                R = cupy.concatenate([R[:, :k0], cupy.matmul(self.q[:k0].conj(), W)], axis=1)
            left, orth, norm = self._estimates(attempt, R, n)
            self.report["orth"] = orth
            self.report["residual"] = residual = left / math.hypot(norm, left)
            if not (
                orth <= 40 * self.eps and (not everything or residual <= self._most_residual(n))
            ):
                return False
        self._conclude(R)
        return True

    def _project(self, w: Any) -> Any:
        """W <- W - Q_1 (Q_1^H W), the columns of which are the rows of w; Q_1^H W."""
        q = self.q[: self.k0]
        C = cupy.matmul(q.conj(), w.T)
        w -= cupy.matmul(C.T, q)
        return C

    def _completed(self, attempt: int, R11: Any, w: Any) -> Any:
        """All of R, and columns of Q in the place of those of A beyond k0, as in qr.inc."""
        k0, s = self.k0, len(w)
        R12 = self._project(w)
        R12 += self._project(w)
        norm, left = (math.sqrt(x) for x in _numbers(_squares(R11) + _squares(R12), _squares(w)))
        R22 = cupy.zeros((s, s), self.dtype)
        if left > self._most_residual(self.n) * math.hypot(norm, left):
            Q, T = cupy.linalg.qr(w.T, mode="reduced")
            small, R22, order = self._pivots(T)
            cupy.matmul(small, Q.T, out=w)
            R12 = R12[:, cupy.asarray(order)]
            self.perm[k0:] = self.perm[k0:][order]
            for _ in range(2):  # Q_2 = Q_1 C + Q_2' T
                R12 += cupy.matmul(self._project(w), R22)
                Q, T = cupy.linalg.qr(w.T, mode="reduced")
                w[...] = Q.T
                R22 = cupy.matmul(T, R22)
            R22 = self._turned(w, R22)
        elif self.complete:
            self._draw(attempt, w)
            for _ in range(2):
                self._project(w)
                w[...] = cupy.linalg.qr(w.T, mode="reduced")[0].T
        else:
            return cupy.concatenate([R11, R12], axis=1)
        self.k0 = self.n
        below = cupy.zeros((s, k0), self.dtype)
        return cupy.concatenate(
            [cupy.concatenate([R11, R12], axis=1), cupy.concatenate([below, R22], axis=1)]
        )

    def _draw(self, attempt: int, w: Any) -> None:
        """Gaussian numbers, drawn where they are used."""
        kind = dispatch.backend("numpy").core.kinds()["QR_COMPLETION"]
        numbers = w.view(self.real)
        s, length = numbers.shape
        words = (kind, length, s, 0, 0, *self.streams[attempt], 0, length, 0, s)
        sketch.fill(np.array(words, np.uint64), numbers)


def _cholesky(G: Any) -> Any:
    """L with L L^H = G, or None."""
    import cupyx

    try:
        with cupyx.errstate(linalg="raise"):  # else failures go unseen
            return cupy.linalg.cholesky(G)
    except np.linalg.LinAlgError:
        return None


def _solve_triangular(*args: Any, **options: Any) -> Any:
    # with it come parts of SciPy that nothing else here needs
    from cupyx.scipy.linalg import solve_triangular

    return solve_triangular(*args, **options)


def _divided(W: Any, R: Any) -> Any:
    """W R^-1, in the place of W, with contiguous rows: the solve from the left of W^T."""
    return _solve_triangular(R, W.T, trans="T", overwrite_b=True).T


def _squares(x: Any) -> Any:
    """Sum of squares of moduli, on the device."""
    parts = (x.real, x.imag) if x.dtype.kind == "c" else (x,)
    total = cupy.zeros((), np.float64)
    for part in parts:
        total = total + (part * part).sum(dtype=np.float64)
    return total


def _numbers(*scalars: Any) -> list[float]:
    """Numbers of the device, in one transfer."""
    stacked = cupy.stack([x.astype(np.float64) for x in scalars]).get()
    return [float(x) for x in stacked]
