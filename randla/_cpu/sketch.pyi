"""Binding of the sketching operators.  An operator is an rl_sketch: eleven words of 64 bits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_Words = NDArray[np.uint64]

def block(words: _Words) -> int: ...
def codes(words: _Words, out: NDArray[np.int32]) -> None: ...
def subset(
    key: int, offset: int, kind: int, sub: int, bound: int, out: NDArray[np.int64]
) -> None: ...
def fill(words: _Words, out: NDArray[Any]) -> None: ...
def apply(words: _Words, transposed: bool, X: Any, Y: Any, alpha: float, beta: float) -> None: ...
def apply_sparse(
    words: _Words,
    csr: bool,
    pointers: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    alpha: float,
    Y: NDArray[Any],
) -> None: ...
def once_down(
    words: _Words, A: NDArray[Any], W: NDArray[Any], sums: NDArray[np.float64]
) -> None: ...
def once_across(
    words: _Words,
    pairs: int,
    alpha: float,
    A: NDArray[Any],
    Y: NDArray[Any],
    squares: NDArray[Any],
) -> None: ...
