"""Top-k selection on a device: what `randla._cpu.topk` is to NumPy, with the same functions.

Everything is launched on the current stream; only `nan="raise"` waits, for a word of each row.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import cupy
import numpy as np

from ._launch import NULL, kernel, processors


class Type(NamedTuple):
    """How the bits of a dtype order: see `Order` in topk.cu."""

    bits: int
    infinity: int  # bits of infinity; 0 for integers
    flip: int


TYPES = {
    "float16": Type(16, 0x7C00, 0),
    "bfloat16": Type(16, 0x7F80, 0),
    "float32": Type(32, 0x7F800000, 0),
    "float64": Type(64, 0x7FF0000000000000, 0),
    "bool": Type(8, 0, 0),
    **{f"int{bits}": Type(bits, 0, 1 << (bits - 1)) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": Type(bits, 0, 0) for bits in (8, 16, 32, 64)},
}
SMALLEST, SORTED, LEAST, RAISE, PROPAGATE = 1, 2, 4, 8, 16
NAN = {"greatest": 0, "least": LEAST, "raise": RAISE, "propagate": PROPAGATE}

VARIANTS = tuple({"WORD": f"uint{bits}_t"} for bits in (8, 16, 32, 64))
_BINS = {8: 256, 16: 256, 32: 2048, 64: 2048}  # as topk.cu has them
_RADIX = 256
_NO_NAN = np.iinfo(np.int64).max
THREADS = 512
LONG = 1 << 15  # a row of more elements may be cut
SORT_MOST = 2048  # as many pairs are sorted in shared memory
SORT_CHUNK = 8192


class FoundNaN(ValueError):
    """Row number `args[0]` has a NaN."""


def topk(
    type: Type, x: Any, k: int, lengths: Any, val: Any, idx: Any, flags: int, kth: bool = False
) -> None:
    """Select from each row of x, not empty, into val and idx, C-contiguous or None.

    x: a matrix, bfloat16 as uint16, of any strides.  lengths: int64 or None.  idx: int64 or int32.
    kth: number k alone.
    """
    call = _Call(type, x, lengths, flags)
    first_nan = NULL
    if type.infinity and flags & (RAISE | PROPAGATE):
        first_nan = call.first_nan()
        if flags & RAISE:
            found = first_nan.get() != _NO_NAN
            if found.any():
                raise FoundNaN(int(np.argmax(found)))
            first_nan = NULL
    narrow = int(idx is not None and idx.dtype.itemsize == 4)
    out = (_pointer(val), _pointer(idx), narrow, int(kth), first_nan)
    if kth or k == 1 or not flags & SORTED:
        call.select(k, out, kth)
        return
    chosen = cupy.empty((call.rows, k), np.int64)
    call.select(k, (NULL, chosen, 0, 0, NULL), False)
    call.sort(k, chosen, out)


def mask(idx: Any, out: Any) -> None:
    """1 at the ascending indices of each row; `out`, of uint8, has zeros."""
    _each("topk_mask", idx.size, idx, idx.shape[1], out.shape[1], idx.size, out)


def rest(idx: Any, out: Any) -> None:
    """The other indices of each row, ascending."""
    _each("topk_rest", out.size, idx, idx.shape[1], out.shape[1], out.size, out)


def _each(name: str, count: int, *args: Any, bits: int = 64) -> None:
    """A thread for each of `count`."""
    _kernel(name, bits)((_ceil(count, 256),), (256,), args)


def _kernel(name: str, bits: int) -> Any:
    return kernel("topk", name, WORD=f"uint{bits}_t")


def _pointer(array: Any) -> Any:
    return NULL if array is None else array


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


@functools.cache
def _order(type: Type, flags: int) -> tuple[Any, ...]:
    """ORDER_ARGUMENTS of topk.cu."""
    everything = (1 << type.bits) - 1
    largest, greatest = not flags & SMALLEST, not flags & LEAST
    complement = 0 if largest else everything
    nan = everything if greatest == largest else 0  # after the complement: first or last
    return tuple(np.uint64(word) for word in (type.infinity, type.flip, complement, nan))


class _Call:
    """Rows, their order, and how they are cut into parts."""

    def __init__(self, type: Type, x: Any, lengths: Any, flags: int) -> None:
        self.bits = type.bits
        self.rows, n = x.shape
        size = x.dtype.itemsize
        if (n > 1 and x.strides[1] != size) or (self.rows > 1 and x.strides[0] % size):
            x = cupy.ascontiguousarray(x)
        self.x = x
        self.ld = x.strides[0] // size if self.rows > 1 else 0
        # kept until the launches are made: the memory pool follows the order of the stream
        self.lengths = NULL if lengths is None else cupy.asarray(lengths)
        self.row = (x, self.ld, n, self.lengths)
        self.order = _order(type, flags)
        self.parts, self.chunk = self._cut(n)

    def _cut(self, n: int) -> tuple[int, int]:
        """Number and size of the parts of a row, several where rows are too few for the device."""
        if n <= LONG:
            return 1, n
        blocks = 8 * processors(cupy.cuda.runtime.getDevice())
        chunk = min(max(LONG // 2, _ceil(self.rows * n, blocks)), 1 << 30)
        chunk = _ceil(chunk, THREADS) * THREADS
        return _ceil(n, chunk), chunk

    def _launch(self, name: str, blocks: int, args: tuple[Any, ...], **options: int) -> None:
        threads = options.pop("threads", THREADS)
        _kernel(name, self.bits)((blocks,), (threads,), args, **options)

    def first_nan(self) -> Any:
        """Where each row has its first NaN."""
        found = cupy.full(self.rows, _NO_NAN, np.int64)
        parts = (self.parts, self.chunk)
        self._launch("topk_nan", self.rows * self.parts, (*self.row, *parts, *self.order, found))
        return found

    def select(self, k: int, out: tuple[Any, ...], kth: bool) -> None:
        """Write what is selected, in the order of the indices."""
        if self.parts == 1:
            n = self.row[2]
            threads = min(128 if n <= 1024 else 256 if n <= 4096 else 512, THREADS)
            args = (*self.row, k, *self.order, *out)
            self._launch("topk_rows", self.rows, args, threads=threads)
            return
        blocks, parts = self.rows * self.parts, (self.parts, self.chunk)
        bounds = cupy.zeros((self.rows, 4), np.uint64)
        bins = cupy.zeros((self.rows, _BINS[self.bits]), np.uint64)
        digit = _BINS[self.bits].bit_length() - 1
        for top in range(self.bits, 0, -digit):
            count = (*self.row, *parts, *self.order, top, bounds, bins)
            self._launch("topk_count", blocks, count)
            self._launch("topk_choose", self.rows, (k, top, int(kth), bounds, bins))
        counts = cupy.empty((blocks, 2), np.int64)
        self._launch("topk_tally", blocks, (*self.row, *parts, *self.order, bounds, counts))
        args = (*self.row, *parts, k, *self.order, bounds, counts, *out)
        self._launch("topk_place", blocks, args)

    def sort(self, k: int, chosen: Any, out: tuple[Any, ...]) -> None:
        """Write what was chosen, best first."""
        row = (self.x, self.ld, k)
        if k <= SORT_MOST:
            width = 1 << (k - 1).bit_length()
            threads = min(max(width // 2, 32), THREADS)
            args = (*row, width, *self.order, chosen, *out)
            size = max(width, 8) * (self.bits // 8) + width * 4
            self._launch("topk_sort", self.rows, args, threads=threads, shared_mem=size)
            return
        count = self.rows * k
        words = [cupy.empty((self.rows, k), f"u{self.bits // 8}") for _ in range(2)]
        indices = [chosen, cupy.empty_like(chosen)]
        each = {"bits": self.bits}
        _each("topk_keys", count, *row, count, *self.order, chosen, words[0], **each)
        parts, chunk = _ceil(k, SORT_CHUNK), SORT_CHUNK
        counts = cupy.empty((self.rows, _RADIX, parts), np.int64)
        cut = (k, parts, chunk)
        for shift in range(0, self.bits, 8):
            blocks = self.rows * parts
            self._launch("topk_radix_count", blocks, (words[0], *cut, shift, counts))
            self._launch("topk_radix_scan", self.rows, (_RADIX * parts, counts))
            args = (words[0], indices[0], *cut, shift, counts, words[1], indices[1])
            self._launch("topk_radix_scatter", blocks, args, threads=_RADIX)
            words.reverse()
            indices.reverse()
        _each("topk_gather", count, *row, count, indices[0], *out, **each)
