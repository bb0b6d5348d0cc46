"""Types of the compiled module; sketch_tensor.pyx says what its functions do."""

from typing import Any

import numpy as np
import numpy.typing as npt

def codes(key: int, offset: int, d: int, factor: int, out: npt.NDArray[np.int32]) -> None: ...
def apply(
    key: int,
    offset: int,
    xs: list[npt.NDArray[Any] | None],
    scale: float,
    constants: list[float],
    y: npt.NDArray[Any],
) -> None: ...
def vjp(
    key: int,
    offset: int,
    xs: list[npt.NDArray[Any] | None],
    scale: float,
    constants: list[float],
    v: npt.NDArray[Any],
    gs: list[npt.NDArray[Any] | None],
) -> None: ...
def csr(
    key: int,
    offset: int,
    factors: int,
    m: int,
    pointers: npt.NDArray[np.int32 | np.int64],
    indices: npt.NDArray[np.int32 | np.int64],
    data: npt.NDArray[Any],
    scale: float,
    constant: float,
    y: npt.NDArray[Any],
) -> None: ...
