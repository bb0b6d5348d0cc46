"""TensorSketch on a device: what `randla._cpu.sketch_tensor` is to NumPy, for dense samples."""

from __future__ import annotations

import functools
from typing import Any

import cupy
import numpy as np

from ._launch import NULL, kernel

VARIANTS = ({"REAL": "float"}, {"REAL": "double"})
SHARED_MOST = 48 * 1024  # bytes of a transform that stands in shared memory
WORK_MOST = 1 << 28  # bytes of one set of transforms in flight


def apply(
    key: int, offset: int, xs: list[Any], scale: float, constants: list[float], y: Any
) -> None:
    """Row i of y: TensorSketch of the rows i of xs; None: that of the factor before."""
    call = _Call(key, offset, xs, scale, constants, y)
    for i, j in call.chunks():
        product = call.factor(0, i, j)
        for g in range(1, call.factors):
            call.multiply(product, call.factor(g, i, j), 0, product)
        call.inverse(product, NULL, 0, y[i:j])


def vjp(
    key: int,
    offset: int,
    xs: list[Any],
    scale: float,
    constants: list[float],
    v: Any,
    gs: list[Any],
) -> None:
    """From the gradient v by y to those by xs; None: it is added to that of the factor before."""
    call = _Call(key, offset, xs, scale, constants, v)
    owners = [g for g in gs if g is not None]
    for owner in owners:
        owner[...] = 0
    for i, j in call.chunks():
        before = call.gradient(v[i:j])
        factors = [call.factor(g, i, j) for g in range(call.factors)] if call.factors > 1 else []
        behind: list[Any] = [None] * call.factors  # products of the factors behind g
        for g in range(call.factors - 2, -1, -1):
            behind[g] = factors[g + 1]
            if behind[g + 1] is not None:
                behind[g] = cupy.empty_like(before)
                call.multiply(factors[g + 1], behind[g + 1], 0, behind[g])
        owner = None
        for g in range(call.factors):
            owner = owner if gs[g] is None else gs[g]
            assert owner is not None  # the first factor has one
            part = cupy.empty_like(before)
            if behind[g] is not None:
                call.multiply(before, behind[g], 1, part)
            else:
                part[...] = before
            call.inverse(part, call.table(g)[0], owner.shape[1], owner[i:j])
            if g < call.factors - 1:
                call.multiply(before, factors[g], 1, before)


class _Call:
    """Factors, tables and sizes of one call."""

    def __init__(
        self,
        key: int,
        offset: int,
        xs: list[Any],
        scale: float,
        constants: list[float],
        like: Any,
    ) -> None:
        self.stream, self.scale, self.constants = (key, offset), float(scale), constants
        self.samples, self.d = like.shape
        self.dtype, self.factors = like.dtype, len(xs)
        self.xs: list[Any] = []
        for x in xs:
            self.xs.append(self.xs[-1] if x is None else x)
        power = self.d & (self.d - 1) == 0
        least = self.d if self.factors == 1 or power else self.factors * (self.d - 1) + 1
        self.n = self.d if self.factors == 1 or power else 1 << (least - 1).bit_length()
        self.length = least
        bytes_of_one = self.n * self.dtype.itemsize
        self.shared = bytes_of_one if bytes_of_one <= SHARED_MOST else 0
        self.step = max(1, WORK_MOST // bytes_of_one)
        self.threads = max(32, min(256, self.n // 4))
        self.transformed = int(self.factors > 1)
        device = cupy.cuda.runtime.getDevice()
        self.twiddle = _twiddles(device, self.n // 4, self.dtype.char)

    def chunks(self) -> list[tuple[int, int]]:
        """Ranges of samples that are handled at once."""
        return [(i, min(i + self.step, self.samples)) for i in range(0, self.samples, self.step)]

    def _kernel(self, name: str) -> Any:
        return kernel("sketch_tensor", name, REAL="float" if self.dtype.char == "f" else "double")

    def table(self, g: int) -> tuple[Any, Any, Any]:
        """Codes of factor g, and its features by bucket."""
        device = cupy.cuda.runtime.getDevice()
        return _table(device, *self.stream, self.d, g, self.xs[g].shape[1])

    def factor(self, g: int, i: int, j: int) -> Any:
        """Transforms of the hashed samples i ... j - 1 of factor g."""
        x = self.xs[g][i:j]
        _, starts, features = self.table(g)
        constant = float(self.constants[g])
        return self._forward(x, x.shape[1], constant, starts, features)

    def gradient(self, v: Any) -> Any:
        """Transforms of gradients, which continue periodically."""
        return self._forward(v, self.length, 0.0, NULL, NULL)

    def _forward(self, x: Any, m: int, constant: float, starts: Any, features: Any) -> Any:
        F = cupy.empty((len(x), self.n), self.dtype)
        sizes = _strides(x)
        args = (self.n, self.d, x, *sizes, m, self.scale, constant, starts, features)
        self._kernel("tensor_forward")(
            (len(x),), (self.threads,),
            (*args, self.twiddle, self.transformed, int(self.shared > 0), F), self.shared,
        )  # fmt: skip
        return F

    def multiply(self, a: Any, b: Any, conjugated: int, out: Any) -> None:
        """Products of transforms."""
        self._kernel("tensor_multiply")((len(a),), (self.threads,), (self.n, a, b, conjugated, out))

    def inverse(self, F: Any, codes: Any, m: int, y: Any) -> None:
        """What transforms belong to, or with codes, elements of it, added."""
        args = (self.n, self.d, F, self.twiddle, self.transformed, int(self.shared > 0))
        self._kernel("tensor_inverse")(
            (len(F),), (self.threads,), (*args, codes, m, self.scale, y, *_strides(y)), self.shared
        )


def _strides(x: Any) -> tuple[int, int]:
    return x.strides[1] // x.itemsize, x.strides[0] // x.itemsize


@functools.lru_cache(maxsize=64)
def _table(device: int, key: int, offset: int, d: int, g: int, m: int) -> tuple[Any, Any, Any]:
    """Codes of the features of a factor; where the features of each bucket begin, and they."""
    codes = cupy.empty(m + 1, np.int32)
    blocks = -(-(m + 1) // 4)
    words = (np.uint64(key), np.uint64(offset))
    draw = kernel("sketch_tensor", "tensor_codes", REAL="double")
    draw((-(-blocks // 128),), (128,), (*words, d, g, m + 1, codes))
    host = codes.get().astype(np.int64)
    order = np.argsort(host >> 1, kind="stable")
    starts = np.searchsorted((host >> 1)[order], np.arange(d + 1))
    features = order << 1 | (host[order] & 1)
    found = codes, cupy.asarray(starts.astype(np.int64)), cupy.asarray(features)
    cupy.cuda.get_current_stream().synchronize()  # other streams may use them at once
    return found


@functools.lru_cache(maxsize=16)
def _twiddles(device: int, largest: int, char: str) -> Any:
    """Powers 1, 2, 3 of the root of each node, level after level, as in sketch_tensor.inc."""
    t, levels = np.array([0.25]), []
    while largest >= 2:
        angles = np.pi / 2 * t[:, None] * np.arange(1, 4)
        levels.append(np.stack([np.cos(angles), np.sin(angles)], axis=-1).ravel())
        t = ((t[:, None] + np.arange(4)) / 4).ravel()
        largest //= 4
    found = cupy.asarray(np.concatenate([*levels, np.zeros(1)]).astype(char))
    cupy.cuda.get_current_stream().synchronize()  # other streams may use them at once
    return found
