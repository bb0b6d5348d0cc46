"""Types of the compiled module; matmul.pyx says what its functions do."""

from typing import Any

import numpy as np
import numpy.typing as npt

AUTO: int
CLASSICAL: int
THREE_M: int

def schemes() -> list[str]: ...
def crossover(type: str, threads: int) -> tuple[int, int]: ...
def set_crossover(type: str, threads: int, values: tuple[int, int] | None) -> None: ...
def product(
    type: str,
    a: npt.NDArray[np.inexact[Any]],
    b: npt.NDArray[np.inexact[Any]],
    c: npt.NDArray[np.inexact[Any]],
    scheme: int,
    levels: int,
) -> tuple[int, int, int]: ...
