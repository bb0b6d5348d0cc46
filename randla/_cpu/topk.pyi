"""Types of the compiled module; topk.pyx says what its functions do."""

from typing import Any

import numpy as np
import numpy.typing as npt

TYPES: dict[str, int]
SMALLEST: int
SORTED: int
NAN: dict[str, int]

class FoundNaN(ValueError): ...

def topk(
    type: int,
    x: npt.NDArray[Any],
    k: int,
    lengths: npt.NDArray[np.int64] | None,
    val: npt.NDArray[Any] | None,
    idx: npt.NDArray[np.int32 | np.int64] | None,
    flags: int,
    kth: bool = False,
) -> None: ...
def mask(idx: npt.NDArray[np.int64], out: npt.NDArray[np.uint8]) -> None: ...
def rest(idx: npt.NDArray[np.int64], out: npt.NDArray[np.int64]) -> None: ...
