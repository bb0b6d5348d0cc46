"""The decomposition of a matrix whose rows come once, in blocks: from four sketches of it.

J. A. Tropp, A. Yurtsever, M. Udell, V. Cevher, "Streaming low-rank matrix approximation with an
application to scientific simulation", SIAM J. Sci. Comput. 41 (2019), arXiv:1902.08651.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._core import validate
from ._core.random import Stream
from ._qr import qr
from .sketch import Gaussian, SparseSign

_NONZEROS = 8
_PROBES = 10


class RowSketches:
    """X = Ups A (p x n), Y = A Om^H (m x p), Z = Phi A Psi^H (t x t) and Th A (10 x n).

    p = 4 k + 1 and t = 2 p + 1 (complex: 4 k and 2 p).  Ups, Phi and Th take rows as they come, and
    the sums have the same bits for any cut of these.

    Parameters
    ----------
    n, k : int
        Columns of A, and the rank wanted.
    char : str
        Dtype that computes.
    stream : Stream
        Of the sketches.
    """

    def __init__(self, n: int, k: int, char: str, stream: Stream) -> None:
        self.shape, self.k, self.char, self.stream = (0, n), k, char, stream
        odd = char in "fd"
        p = 4 * k + odd
        t = 2 * p + odd

        def sparse(number: int, d: int, m: int | None) -> SparseSign:
            return SparseSign(d, m, min(_NONZEROS, d), rng=stream.advance(number))

        self.om, self.psi, self.phi = sparse(0, p, n), sparse(1, t, n), sparse(2, t, None)
        self.th = Gaussian(_PROBES, None, rng=stream.advance(4))
        self.Y: list[np.ndarray] = []
        self.X = sparse(3, p, None).accumulator(n, char)
        self.Z = self.phi.accumulator(t, char)
        self.E = self.th.accumulator(n, char)

    def update(self, block: np.ndarray) -> None:
        """Take the next rows."""
        self.shape = (self.shape[0] + len(block), self.shape[1])
        self.Y.append(self.om.apply(block, 1))
        self.X.update(block)
        self.Z.update(self.psi.apply(block, 1))
        self.E.update(block)

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
        """U, s, V of rank k, and the error by the sketch Th, in both norms.

        A is near Q C P^H, Q and P bases of Y and X^H, with Phi Q C (Psi P)^H = Z.
        """
        m = self.shape[0]
        Q = qr(np.concatenate(self.Y), rng=self.stream)[0]
        P = qr(self.X.result().conj().T, rng=self.stream)[0]
        left, right = self.phi.cols(0, m) @ Q, self.psi @ P
        C = np.linalg.lstsq(left, self.Z.result(), rcond=None)[0]
        C = np.linalg.lstsq(right, C.conj().T, rcond=None)[0].conj().T
        u, s, vh = np.linalg.svd(C)
        U, s, V = Q @ u[:, : self.k], s[: self.k], P @ vh[: self.k].conj().T
        rest = self.E.result() - ((self.th.cols(0, m) @ U) * s) @ V.conj().T
        # squares of what is divided by the largest number leave no range; the rows are scaled by
        # 1 / sqrt(10), which the mean of the Frobenius norm takes
        size = max(float(s[0]), float(np.abs(rest).max())) or 1.0
        rows = np.linalg.norm((rest / size).astype(np.result_type(rest, np.float64)), axis=1)
        least = float(np.finfo(self.char).eps * np.linalg.norm((s / size).astype(np.float64)))
        error = max(float(np.linalg.norm(rows)), 30 * least)
        largest = max(float(rows.max()) * math.sqrt(_PROBES), least)
        return U, s, V, size * error, size * 10 * math.sqrt(2 / math.pi) * largest


def sketched(blocks: Any, k: int, stream: Stream) -> tuple[RowSketches, np.dtype]:
    """Sketches of all blocks of an iterator, and the dtype of a result."""
    sketches, wanted = None, np.dtype(np.float64)
    for number, given in enumerate(blocks):
        block = np.asarray(given)
        if block.ndim != 2:
            raise ValueError(f"block {number} of A must have two dimensions, got {block.ndim}")
        if sketches is None:
            n = block.shape[1]
            if n == 0:
                raise ValueError("A must not be empty, got blocks without columns")
            validate.inside("k", k, 1, n, " = [1, min(m, n)]")
            char = validate.compute_char("A", block.dtype)
            wanted = block.dtype if block.dtype.char == "e" else np.dtype(char)
            sketches = RowSketches(n, k, char, stream)
        n = sketches.shape[1]
        if block.shape[1] != n:
            raise ValueError(f"block {number} of A must have {n} columns, got {block.shape[1]}")
        validate.compute_char("A", block.dtype)
        if np.iscomplexobj(block) and sketches.char in "fd":
            raise TypeError(f"block {number} of A is complex, the first one is not")
        block = block.astype(sketches.char, copy=False)
        if not np.isfinite(block).all():
            raise np.linalg.LinAlgError(f"block {number} of A has a NaN or an infinity")
        sketches.update(block)
    if sketches is None:
        raise ValueError("A must not be empty, got an iterator without blocks")
    validate.inside("k", k, 1, min(sketches.shape), " = [1, min(m, n)]")
    return sketches, wanted
