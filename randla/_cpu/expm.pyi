"""Types of the compiled module; expm.pyx says what its functions do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

# a structured array of dtype INFO, or None
_Info = npt.NDArray[np.void] | None

ASSUME: dict[str | None, int]
SCHEMES: dict[int, tuple[list[float], int]]
INFO: list[tuple[str, str]]
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
def select(
    norm_a: npt.NDArray[np.float64],
    norm_a2: npt.NDArray[np.float64],
    tol: float,
    single: bool,
    info: npt.NDArray[np.void],
    derivative: bool = False,
) -> None: ...
