"""Types of the compiled module; topk_soft.pyx says what its functions do."""

from typing import Any

import numpy as np
import numpy.typing as npt

METHODS: dict[str, int]
KINDS: dict[str, int]

_Matrix = npt.NDArray[Any]
_Vector = npt.NDArray[np.float64]

def rank(x: _Matrix, t: _Vector, out: _Matrix, method: int = 0) -> None: ...
def rank_vjp(
    x: _Matrix, t: _Vector, g: _Matrix, dx: _Matrix, dt: _Vector, method: int = 0
) -> None: ...
def rank_jvp(
    x: _Matrix, t: _Vector, dx: _Matrix, dt: _Vector, out: _Matrix, method: int = 0
) -> None: ...
def soft(kind: int, x: _Matrix, k: _Vector, t: _Vector, gate: _Vector, out: _Matrix) -> None: ...
def soft_vjp(
    kind: int,
    x: _Matrix,
    k: _Vector,
    t: _Vector,
    gate: _Vector,
    g: _Matrix,
    dx: _Matrix,
    dk: _Vector,
    dt: _Vector,
    dgate: _Vector,
) -> None: ...
def soft_jvp(
    kind: int,
    x: _Matrix,
    k: _Vector,
    t: _Vector,
    gate: _Vector,
    dx: _Matrix,
    dk: _Vector,
    dt: _Vector,
    dgate: _Vector,
    out: _Matrix,
) -> None: ...
