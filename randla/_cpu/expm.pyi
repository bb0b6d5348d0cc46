"""Types of the compiled module; expm.pyx says what its functions do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

# a structured array of dtype INFO, or None
_Info = npt.NDArray[np.void] | None

ASSUME: dict[str | None, int]
SURVEY: dict[str, int]
TILE: int
SCHEMES: dict[int, tuple[list[float], int]]
PHI1_SCHEMES: dict[int, list[float]]
PHI_BLOCKS: dict[int, int]
MAX_K: int
INFO: list[tuple[str, str]]
MULTIPLY_INFO: list[tuple[str, str]]
EXPM: dict[str, Callable[[npt.NDArray[Any], npt.NDArray[Any], int, float, int, _Info], None]]

class BrokenPromise(ValueError): ...

def expm_f(
    a: npt.NDArray[np.float32],
    e: npt.NDArray[np.float32],
    n: int,
    tol: float,
    assume: int,
    info: _Info,
) -> None: ...
def expm_d(
    a: npt.NDArray[np.float64],
    e: npt.NDArray[np.float64],
    n: int,
    tol: float,
    assume: int,
    info: _Info,
) -> None: ...
def expm_F(
    a: npt.NDArray[np.complex64],
    e: npt.NDArray[np.complex64],
    n: int,
    tol: float,
    assume: int,
    info: _Info,
) -> None: ...
def expm_D(
    a: npt.NDArray[np.complex128],
    e: npt.NDArray[np.complex128],
    n: int,
    tol: float,
    assume: int,
    info: _Info,
) -> None: ...
def frechet(
    a: npt.NDArray[Any],
    d: npt.NDArray[Any],
    tol: float,
    e: npt.NDArray[Any] | None,
    l: npt.NDArray[Any],
) -> None: ...
def vjp(a: npt.NDArray[Any], g: npt.NDArray[Any], tol: float, x: npt.NDArray[Any]) -> None: ...
def multiply(
    a: npt.NDArray[Any],
    b: npt.NDArray[Any],
    tol: float,
    y: npt.NDArray[Any],
    info: _Info,
) -> None: ...
def multiply_vjp(
    a: npt.NDArray[Any],
    b: npt.NDArray[Any],
    g: npt.NDArray[Any],
    tol: float,
    xa: npt.NDArray[Any],
    xb: npt.NDArray[Any],
) -> None: ...
def phi(a: npt.NDArray[Any], k: int, tol: float, f: npt.NDArray[Any], info: _Info) -> None: ...
def phi_vjp(
    a: npt.NDArray[Any], k: int, g: npt.NDArray[Any], tol: float, x: npt.NDArray[Any]
) -> None: ...
def phi_select(
    norm_a: npt.NDArray[np.float64],
    norm_a2: npt.NDArray[np.float64],
    k: int,
    tol: float,
    single: bool,
    info: npt.NDArray[np.void],
) -> None: ...
def spmm(
    pointers: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    a: npt.NDArray[Any],
    scalars: npt.NDArray[np.float64],
    x: npt.NDArray[Any],
    z: npt.NDArray[Any] | None,
    y: npt.NDArray[Any],
    w: npt.NDArray[Any] | None,
) -> None: ...
def spmm_survey(
    pointers: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    a: npt.NDArray[Any],
    diagonal: npt.NDArray[Any],
    rows: npt.NDArray[np.float64],
    columns: npt.NDArray[np.float64],
    hermitian: npt.NDArray[np.float64],
) -> int: ...
def spmm_offsets(
    pointers: npt.NDArray[Any], indices: npt.NDArray[Any], offsets: npt.NDArray[np.int64]
) -> int: ...
def spmm_tiles(
    pointers: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    a: npt.NDArray[Any],
    offsets: npt.NDArray[np.int64],
    tiles: npt.NDArray[Any],
) -> None: ...
def spmm_tiled(
    offsets: npt.NDArray[np.int64],
    tiles: npt.NDArray[Any],
    scalars: npt.NDArray[np.float64],
    x: npt.NDArray[Any],
    z: npt.NDArray[Any] | None,
    y: npt.NDArray[Any],
    w: npt.NDArray[Any] | None,
) -> None: ...
def select(
    norm_a: npt.NDArray[np.float64],
    norm_a2: npt.NDArray[np.float64],
    tol: float,
    single: bool,
    info: npt.NDArray[np.void],
    derivative: bool = False,
) -> None: ...
def rule(tol: float, single: bool, derivative: bool) -> bytes: ...
def action_rule(tol: float, single: bool, derivative: bool) -> bytes: ...
