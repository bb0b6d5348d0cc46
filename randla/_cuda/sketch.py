"""Sketching operators on a device: what `randla._cpu.sketch` is to NumPy, with the same functions.

Everything is launched on the current stream, and nothing waits.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import cupy
import numpy as np

from .._core import dispatch
from ._launch import kernel

REALS = {"f": "float", "d": "double"}
VARIANTS = tuple({"REAL": name} for name in REALS.values())
THREADS = 256  # as sketch.cu has it, and the three that follow
_GATHER_ROWS, _EACH = 256, 4
_NARROW = 4
_LONGEST = 1 << 14  # bytes of a column of a transform

# These decide the order of the sums, so they do not depend on the device.
SORTED = 1 << 20  # columns of an operator whose nonzeros are sorted at once
COPIED = 1 << 26  # bytes of a matrix by columns that are copied at once
CHUNKS = 4  # transforms whose sum stands alone
DRAWN = 1 << 25  # bytes of a dense operator that are drawn at once
_BLOCK = 256


class Operator(NamedTuple):
    """The words of an rl_sketch."""

    kind: int
    d: int
    m: int
    nnz: int
    sub: int
    key: int
    offset: int
    row: int
    rows: int
    column: int
    columns: int

    def arguments(self) -> tuple[Any, ...]:
        """OPERATOR_ARGUMENTS of sketch.cu."""
        stream = (np.uint64(self.key), np.uint64(self.offset))
        block = (self.row, self.rows, self.column, self.columns)
        return (self.d, self.nnz, *stream, self.kind, self.sub, *block)


@functools.cache
def _kinds() -> dict[str, int]:
    return dict(dispatch.backend("numpy").core.kinds())


def apply(words: np.ndarray, transposed: bool, X: Any, Y: Any, alpha: float, beta: float) -> None:
    """Y = alpha U X + beta Y (transposed: U^T) for batches of matrices, not empty.

    The last two axes of both are C-contiguous or both F-contiguous, up to a leading dimension.
    """
    s, kinds, call = Operator(*words.tolist()), _kinds(), _Call(X, Y, alpha, beta)
    if s.kind == kinds["SPARSE_SIGN"]:
        (call.gather if transposed else call.add)(s)
    elif s.kind == kinds["SRHT"]:
        (call.transform_back if transposed else call.transform)(s)
    else:
        (_multiply_back if transposed else _multiply)(s, X, Y, alpha, beta)


def fill(words: np.ndarray, out: Any) -> None:
    """The transpose of a dense operator's entries, (columns, rows), C-contiguous, not empty."""
    s = Operator(*words.tolist())
    _draw(s, out)
    out *= out.dtype.type(1 / math.sqrt(s.d))


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


def _launch(name: str, char: str, items: int, args: tuple[Any, ...], **options: int) -> None:
    """Blocks for `items`, which they share if these are too many."""
    threads = options.pop("threads", THREADS)
    grid = (min(items, 2**31 - 1),)
    kernel("sketch", name, REAL=REALS[char])(grid, (threads,), args, **options)


def _each(name: str, char: str, items: int, args: tuple[Any, ...]) -> None:
    """A thread for each of `items`."""
    _launch(name, char, _ceil(items, THREADS), args)


# ---- sparse sign, SRHT ---------------------------------------------------------------------------


class _Call:
    """A batch of matrices, and one of results."""

    def __init__(self, X: Any, Y: Any, alpha: float, beta: float) -> None:
        self.char: str = X.dtype.char
        self.size: int = X.dtype.itemsize
        self.count, _, self.n = X.shape
        self.X, self.Y = X, Y
        self.by_rows = _by_rows(X, self.size) and _by_rows(Y, self.size)
        self.x, self.y = self._batch(X, self.by_rows), self._batch(Y, self.by_rows)
        self.alpha, self.added = alpha, beta == 1
        # as the core does: with a factor of 1 the sum goes on where it ended
        self.goes_on = self.added and alpha == 1

    def _batch(self, X: Any, by_rows: bool) -> tuple[Any, int, int]:
        """A Batch of sketch.cu: where it begins, leading dimension, distance of its matrices."""
        _, m, n = X.shape
        lines, length, axis = (m, n, 1) if by_rows else (n, m, 2)
        ld = X.strides[axis] // self.size if lines > 1 else length
        return X, ld, X.strides[0] // self.size

    @property
    def layout(self) -> tuple[Any, int]:
        return np.int32(self.by_rows), self.n

    @property
    def result(self) -> tuple[float, Any]:
        return float(self.alpha), np.int32(self.added)

    def _finish(self, sums: Any, panels: int, rows: int) -> None:
        items = self.count * rows * self.n
        inner, outer = (self.n, rows) if self.by_rows else (rows, self.n)
        add = np.int32(self.added and not self.goes_on)
        args = (sums, items, panels, inner, outer, float(self.alpha), add, *self.y)
        _each("sketch_finish", self.char, items, args)

    def add(self, s: Operator) -> None:
        """Y = alpha U X (+ Y) of a sparse U; X by columns is copied piece after piece."""
        contiguous = self.n == 1 or self.X.strides[2] == self.size
        at_once = SORTED if contiguous else max(1, COPIED // (self.count * self.n * self.size))
        at_once = min(at_once, SORTED, s.columns)
        pieces = _ceil(s.columns, at_once)
        sums = cupy.empty(self.count * s.rows * self.n if pieces > 1 else 0, self.char)
        wide = min(THREADS, max(4, 1 << (self.n - 1).bit_length()))
        tiles = _ceil(self.n, wide)
        items = self.count * tiles * _ceil(s.rows, THREADS // wide)
        by_rows = _by_rows(self.Y, self.size)
        out = (*self._batch(self.Y, by_rows), np.int32(by_rows), self.n, s.rows, items, tiles)
        add = np.int32(self.added and not self.goes_on)
        for piece in range(pieces):
            first = piece * at_once
            block = s._replace(column=s.column + first, columns=min(at_once, s.columns - first))
            X = self.X[:, first : first + block.columns]
            X = X if contiguous else cupy.ascontiguousarray(X)
            found = self._nonzeros(block)
            state = (piece == 0, piece == pieces - 1, self.goes_on)
            args = (found, found.size, X, X.strides[1] // self.size, X.strides[0] // self.size)
            args = (*args, *out, np.int32(wide), *map(np.int32, state), float(self.alpha), add)
            _launch("sketch_collect", self.char, items, (*args, sums))

    def _nonzeros(self, s: Operator) -> Any:
        """Those of a block as sorted words of sketch.cu."""
        found = cupy.empty(s.columns * s.nnz, np.uint64)
        each = s.columns * _ceil(s.nnz, 4)
        _each("sketch_nonzeros", self.char, each, (*s.arguments(), each, found))
        return cupy.sort(found)

    def gather(self, s: Operator) -> None:
        """Y = alpha U^T X (+ Y) of a sparse U."""
        wide = min(32, 1 << (self.n - 1).bit_length())
        high = min(_GATHER_ROWS, THREADS * _EACH // wide)
        tiles = _ceil(self.n, wide)
        items = self.count * tiles * _ceil(s.columns, high)
        cut = (items, tiles, np.int32(high), np.int32(wide))
        args = (*s.arguments(), *self.x, *self.y, *self.layout, *cut, *self.result)
        _launch("sketch_gather", self.char, items, args)

    def _length(self, s: Operator) -> int:
        return min(1 << (s.m - 1).bit_length(), _LONGEST // self.size)

    def transform(self, s: Operator) -> None:
        """Y = alpha U X (+ Y) of an SRHT."""
        length = self._length(s)
        chunks = _ceil(s.column % length + s.columns, length)
        panel = max(CHUNKS, _ceil(8 * s.d, length))
        panels, tiles = _ceil(chunks, panel), _ceil(self.n, _NARROW)
        sums = cupy.empty(panels * self.count * s.rows * self.n, self.char)
        items = self.count * panels * tiles
        kept = cupy.asarray(_kept(s)[s.row : s.row + s.rows])
        args = (*s.arguments(), kept, length, *self.x, *self.layout)
        args = (*args, items, panels, panel, tiles, sums)
        shared = length * _NARROW * self.size
        _launch("sketch_transform", self.char, items, args, shared_mem=shared)
        self.goes_on = False
        self._finish(sums, panels, s.rows)

    def transform_back(self, s: Operator) -> None:
        """Y = alpha U^T X (+ Y) of an SRHT."""
        length = self._length(s)
        chunks = _ceil(s.column % length + s.columns, length)
        tiles = _ceil(self.n, _NARROW)
        items = self.count * chunks * tiles
        kept = _kept(s)[s.row : s.row + s.rows]
        places = kept % length
        order = np.argsort(places, kind="stable")
        starts = np.searchsorted(places[order], np.arange(length + 1))
        lists = tuple(cupy.asarray(index) for index in (kept, order, starts))
        args = (*s.arguments(), *lists, length, *self.x, *self.y, *self.layout)
        args = (*args, items, chunks, tiles, *self.result)
        shared = length * _NARROW * self.size
        _launch("sketch_transform_back", self.char, items, args, shared_mem=shared)


def _by_rows(X: Any, size: int) -> bool:
    """Whether rows lie contiguous; else columns do, and one column always."""
    return bool(X.strides[1] != size if X.shape[2] == 1 else X.strides[2] == size)


@functools.lru_cache(maxsize=16)
def _subset(key: int, offset: int, kind: int, d: int, bound: int) -> np.ndarray:
    chosen = np.empty(d, np.int64)
    dispatch.backend("numpy").sketch.subset(key, offset, kind, 1, bound, chosen)
    return chosen


def _kept(s: Operator) -> np.ndarray:
    """Rows of the transform that an SRHT keeps, which the host draws: a drawing of no parallels."""
    return _subset(s.key, s.offset, s.kind, s.d, 1 << (s.m - 1).bit_length())


# ---- dense ---------------------------------------------------------------------------------------


def _draw(s: Operator, out: Any) -> None:
    """The transpose of U, (columns, rows)."""
    kinds, char = _kinds(), out.dtype.char
    if s.kind in (kinds["RADEMACHER"], kinds["KHATRI_RAO"]):
        each = (s.row + s.rows - 1) // 32 - s.row // 32 + 1
        items = s.columns * each
        _each("sketch_signs", char, items, (*s.arguments(), items, out))
        return
    single = s.kind == kinds["GAUSSIAN_SINGLE"]
    per = 4 if single else 2
    items = s.columns * ((s.row + s.rows - 1) // per - s.row // per + 1)
    _each(
        "sketch_normals", char, items, (*s.arguments(), np.int32(single), np.int32(0), items, out)
    )


def _blocks(s: Operator, size: int) -> Any:
    """Columns that are drawn at once: whole blocks of them, as many as fit."""
    step = max(1, DRAWN // (s.d * size * _BLOCK)) * _BLOCK
    for first in range(0, s.columns, step):
        yield first, min(step, s.columns - first)


def _of_block(s: Operator, first: int, count: int, char: str) -> Any:
    block = cupy.empty((count, s.rows), char)
    _draw(s._replace(column=s.column + first, columns=count), block)
    return block


def _multiply(s: Operator, X: Any, Y: Any, alpha: float, beta: float) -> None:
    """Y = alpha U X (+ Y), the products by cuBLAS."""
    factor, total = X.dtype.type(alpha), None
    for first, count in _blocks(s, X.dtype.itemsize):
        U = _of_block(s, first, count, X.dtype.char)
        part = _product(U.T, X[:, first : first + count])
        if total is None:
            total = part
        else:
            total += part
    total *= factor
    if beta == 1:
        Y += total
    else:
        Y[...] = total


def _multiply_back(s: Operator, X: Any, Y: Any, alpha: float, beta: float) -> None:
    factor = X.dtype.type(alpha)
    for first, count in _blocks(s, X.dtype.itemsize):
        part = _product(_of_block(s, first, count, X.dtype.char), X)
        part *= factor
        if beta == 1:
            Y[:, first : first + count] += part
        else:
            Y[:, first : first + count] = part


def _product(U: Any, X: Any) -> Any:
    """U times each of a batch; one matrix is not one of a batch, which cuBLAS would copy."""
    return cupy.matmul(U, X[0])[None] if len(X) == 1 else cupy.matmul(U, X)
