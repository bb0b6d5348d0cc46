"""Launches of the action of the exponential; kernels/expm_multiply.cu."""

from __future__ import annotations

import math
from typing import Any

import cupy
import numpy as np

from .._cpu import expm as core
from . import _launch, _team, expm

VARIANTS = list(_team.variants())
INFO = core.MULTIPLY_INFO


def multiply(
    A: Any, B: Any, batch: tuple[int, ...], char: str, tol: float, return_info: bool
) -> tuple[Any, np.ndarray | None]:
    """exp(A) B for A (..., n, n) and B (..., n, p), packed; and its records."""
    n, p = B.shape[-2:]
    a, b = (spread(X, batch, char) for X in (A, B))
    count = math.prod(batch)
    y = cupy.empty((count, n, p), char)
    info = expm.reports(count) if return_info else None
    multiply_into(a, b, tol, y, info)
    return y, None if info is None else expm.fetch(info, INFO)


def spread(X: Any, batch: tuple[int, ...], char: str) -> Any:
    """Packed matrices: one for each of the batch or one for all."""
    if math.prod(X.shape[:-2]) == 1:
        X, batch = X.reshape(X.shape[-2:]), (1,)
    return expm.packed(X, (*batch, *X.shape[-2:]), char)


def multiply_into(a: Any, b: Any, tol: float, y: Any, info: Any) -> None:
    """y = exp(a) b, packed batches; a batch of one a or b is repeated."""
    _, n, p = y.shape
    char = y.dtype.char
    single = char in "fF"
    launch = _team.Launch("expm_multiply", y)
    room = expm.memory(launch, 1)
    action = _team.constant(
        ("action", tol, single),
        lambda: np.frombuffer(core.action_rule(tol, single, False), np.uint8),
    )
    launch(
        "expm_multiply",
        launch.n,
        np.int32(p),
        launch.count,
        a,
        np.int64(0 if len(a) == 1 else n * n),
        b,
        np.int64(0 if len(b) == 1 else n * p),
        y,
        expm.rule(tol, char, False),
        action,
        expm.schemes(char),
        room,
        _launch.NULL if info is None else info,
        launch.bytes,
    )
