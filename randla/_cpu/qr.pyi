"""Types of the compiled module; qr.pyx says what its functions do."""

from typing import Any

import numpy as np
import numpy.typing as npt

METHODS: dict[str, int]
INFO: list[tuple[str, str]]

class NotFinite(ValueError): ...
class Overflow(ValueError): ...

def qr(
    char: str,
    method: int,
    complete: bool,
    k: int,
    rtol: float,
    key: int,
    offset: int,
    a: npt.NDArray[Any],
    q: npt.NDArray[Any],
    r: npt.NDArray[Any],
    perm: npt.NDArray[np.int64] | None,
    info: npt.NDArray[Any],
) -> None: ...
