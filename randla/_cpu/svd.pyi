"""Types of the compiled module; svd.pyx says what its functions do."""

from typing import Any

import numpy as np
import numpy.typing as npt

PROBES: int
INFO: list[tuple[Any, ...]]

class NotFinite(ValueError): ...
class Overflow(ValueError): ...

def squares(A: npt.NDArray[Any], scale: float = 1.0) -> npt.NDArray[np.float64]: ...
def single(A: npt.NDArray[Any], factor: float) -> npt.NDArray[Any]: ...
def product(
    A: npt.NDArray[Any], Y: npt.NDArray[Any], adjoint: bool = False, threads: int | None = None
) -> npt.NDArray[Any]: ...
def sparse_product(
    indptr: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    data: npt.NDArray[Any],
    shape: tuple[int, int],
    Y: npt.NDArray[Any],
    adjoint: bool = False,
    csc: bool = False,
    threads: int | None = None,
) -> npt.NDArray[Any]: ...
def orthonormalise(Y: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], bool]: ...
def normalise(Y: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], bool]: ...
def randomized_svd(
    A: npt.NDArray[Any], k: int, n_oversamples: int, n_iter: int, key: int, offset: int = 0
) -> tuple[
    npt.NDArray[Any],
    npt.NDArray[Any],
    npt.NDArray[Any],
    tuple[npt.NDArray[np.float64], Any, Any, Any],
]: ...
def randomized_svd_sparse(
    indptr: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    data: npt.NDArray[Any],
    shape: tuple[int, int],
    k: int,
    n_oversamples: int,
    n_iter: int,
    key: int,
    offset: int = 0,
    csc: bool = False,
) -> tuple[
    npt.NDArray[Any],
    npt.NDArray[Any],
    npt.NDArray[Any],
    tuple[npt.NDArray[np.float64], int, int, bool],
]: ...
