"""Teams of threads for small matrices, a team for each (kernels/team.cuh): shapes and launches."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import cupy
import numpy as np

from . import _launch

REALS = {"f": "float", "d": "double", "F": "float", "D": "double"}


class Shape(NamedTuple):
    """A team for matrices up to n = limit: threads in rows and columns, and the tile of each."""

    limit: int
    rows: int
    columns: int
    tile_rows: int
    tile_columns: int
    teams: int  # of one block; teams of more than a warp are a block

    def defines(self, char: str) -> dict[str, object]:
        """Definitions that the kernels are compiled with."""
        return {
            "REAL": REALS[char],
            "RL_COMPLEX": int(char in "FD"),
            "RL_ROWS": self.rows,
            "RL_COLUMNS": self.columns,
            "RL_TILE_ROWS": self.tile_rows,
            "RL_TILE_COLUMNS": self.tile_columns,
            "RL_TEAMS": self.teams,
        }

    def room(self) -> int:
        """Scalars that a team needs for each matrix that it keeps in memory."""
        return self.rows * self.columns * self.tile_rows * self.tile_columns


SHAPES = (
    Shape(4, 4, 4, 1, 1, 8),
    Shape(8, 8, 4, 1, 2, 4),
    Shape(16, 8, 4, 2, 4, 4),
    Shape(32, 8, 8, 4, 4, 1),
    Shape(64, 16, 16, 4, 4, 1),
)
LARGEST = SHAPES[-1].limit


def variants() -> Iterator[dict[str, object]]:
    """Definitions of everything that may be compiled."""
    for char in REALS:
        for shape in SHAPES:
            yield shape.defines(char)


def shape_for(n: int) -> Shape:
    """The smallest team for matrices of order n."""
    return next(shape for shape in SHAPES if n <= shape.limit)


def shared_bytes(n: int, char: str) -> int:
    """Shared memory of one team, laid out as in the constructor of Team."""
    scalar, real = np.dtype(char).itemsize, np.dtype(char.lower()).itemsize
    size = 48 + (2 * n * (n | 1) + n) * scalar + n * real
    return (size + 15) // 16 * 16


def serves(n: int, char: str) -> bool:
    """Whether a block of the current device has the shared memory."""
    if n > LARGEST:
        return False
    need = shape_for(n).teams * shared_bytes(n, char)
    return need <= max(_launch.STATIC_LIMIT, _shared_limit(cupy.cuda.runtime.getDevice()))


@functools.cache
def _shared_limit(device: int) -> int:
    return int(cupy.cuda.Device(device).attributes["MaxSharedMemoryPerBlockOptin"])


# Where matrices are kept in memory, teams take one matrix after the other: what is in flight should
# stay in the cache.
_BLOCKS_PER_PROCESSOR = 8


class Launch:
    """Launches a kernel with a team for each matrix that goes into `result`, (count, n, ...)."""

    def __init__(self, stem: str, result: Any) -> None:
        count, n = result.shape[:2]
        char: str = result.dtype.char
        self._stem = stem
        self.n, self.count = np.int32(n), np.int64(count)
        self._shape = shape_for(n)
        self._defines = self._shape.defines(char)
        self._char = char
        self.bytes = np.int32(shared_bytes(n, char))  # of each team
        self._blocks = min(-(-count // self._shape.teams), 2**31 - 1)

    def memory(self, matrices: int) -> Any:
        """Room for so many matrices of each team; none if a team has registers for all of them."""
        if matrices == 0:
            return _launch.NULL
        device = cupy.cuda.runtime.getDevice()
        self._blocks = min(self._blocks, _BLOCKS_PER_PROCESSOR * _launch.processors(device))
        size = self._blocks * self._shape.teams * matrices * self._shape.room()
        return cupy.empty(size, self._char)

    def in_registers(self, parts: int) -> bool:
        """RL_FITS of team.cuh."""
        entries = self._shape.tile_rows * self._shape.tile_columns
        return entries * np.dtype(self._char).itemsize * parts <= 64

    def __call__(self, name: str, *args: Any) -> None:
        """Launch it on the current stream."""
        shape = self._shape
        block = shape.rows * shape.columns * shape.teams
        kernel = _launch.kernel(self._stem, name, **self._defines)
        kernel((self._blocks,), (block,), args, shared_mem=shape.teams * int(self.bytes))


_CONSTANTS: dict[tuple[Any, ...], Any] = {}


def constant(key: tuple[Any, ...], values: Any) -> Any:
    """Array on the current device, made by values() and copied there once."""
    key = (cupy.cuda.runtime.getDevice(), *key)
    found = _CONSTANTS.get(key)
    if found is None:
        found = cupy.asarray(values())
        cupy.cuda.get_current_stream().synchronize()  # other streams may use it at once
        _CONSTANTS[key] = found
    return found
