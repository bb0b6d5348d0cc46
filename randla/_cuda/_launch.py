"""From the sources in `kernels` to functions that launch: the one place that compiles.

CuPy compiles with NVRTC at the first launch, and keeps the binary of each device, in a file too.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from .._core.config import get_include

KERNELS = Path(__file__).parent / "kernels"
NULL = np.uint64(0)  # a pointer, as an argument of a kernel
STATIC_LIMIT = 48 * 1024  # bytes of shared memory that a block has without asking


class Kernel:
    """A kernel of a stem, compiled with some definitions.

    Calls launch it on the current stream of the current device.  Python integers arrive as
    `int64_t`, floats as `double`, scalars of NumPy as what they are, arrays as pointers.
    """

    def __init__(self, function: Any) -> None:
        self._function = function
        self._allowed: dict[int, int] = {}  # device -> bytes of dynamic shared memory

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Sequence[Any],
        shared_mem: int = 0,
    ) -> None:
        """Launch it; a grid without blocks is no launch (CuPy would make a block of it)."""
        if 0 in grid:
            return
        if shared_mem > STATIC_LIMIT:
            device = cupy.cuda.runtime.getDevice()
            if shared_mem > self._allowed.get(device, 0):
                self._function.max_dynamic_shared_size_bytes = shared_mem
                self._allowed[device] = shared_mem
        self._function(grid, block, tuple(args), shared_mem=shared_mem)


@functools.cache
def processors(device: int) -> int:
    """Multiprocessors of a device."""
    return int(cupy.cuda.Device(device).attributes["MultiProcessorCount"])


_KERNELS: dict[tuple[Any, ...], Kernel] = {}


def kernel(stem: str, name: str, **defines: object) -> Kernel:
    """Kernel `name` of ``kernels/<stem>.cu``, compiled with ``-D<key>=<value>`` for each define."""
    key = (stem, name, *defines.items())
    found = _KERNELS.get(key)
    if found is None:
        function = _module(stem, tuple(defines.items())).get_function(name)
        found = _KERNELS.setdefault(key, Kernel(function))
    return found


@functools.cache
def _module(stem: str, defines: tuple[tuple[str, object], ...]) -> Any:
    return cupy.RawModule(code=source(stem), options=options(dict(defines)))


def source(stem: str) -> str:
    """Text of the kernels of a stem."""
    return (KERNELS / f"{stem}.cu").read_text()


def options(defines: dict[str, object]) -> tuple[str, ...]:
    """Options of the compiler, the same for CuPy, for NVRTC alone and for the tests."""
    return (
        "-std=c++17",
        f"-I{KERNELS}",
        f"-I{get_include()}",
        f"-DRL_SOURCES={_digest()}",
        *(f"-D{name}={value}" for name, value in defines.items()),
    )


@functools.cache
def _digest() -> str:
    """Of all headers: CuPy's file of binaries knows the source, but not what it includes."""
    known = hashlib.sha256()
    for folder in (KERNELS, Path(get_include()) / "randla" / "device"):
        for path in sorted(folder.iterdir()):
            known.update(path.read_bytes())
    return f"0x{known.hexdigest()[:15]}"
