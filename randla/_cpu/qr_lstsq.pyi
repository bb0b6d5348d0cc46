"""Types of the compiled module; qr_lstsq.pyx says what its functions do."""

from typing import Any

import numpy.typing as npt

def normal_product(
    char: str, a: npt.NDArray[Any], v: npt.NDArray[Any], w: npt.NDArray[Any]
) -> None: ...
def triangular_solve(
    char: str, adjoint: bool, r: npt.NDArray[Any], x: npt.NDArray[Any]
) -> None: ...
