"""Launches of phi_k and of its derivative; kernels/expm_phi.cu."""

from __future__ import annotations

import math
from typing import Any

import cupy
import numpy as np

from .._cpu import expm as core
from . import _launch, _team, expm

VARIANTS = list(_team.variants())
_TERMS = 21  # of the longest polynomial


def _slots(k: int) -> int:
    return 5 + 3 + k + 1  # RL_PHI_SLOTS


def _constants(k: int, tol: float, char: str) -> tuple[Any, ...]:
    """Tolerance, schemes of phi_1, coefficients k! / (i + k)! of Taylor, and k!."""
    real = char.lower()
    unit = 2.0**-24 if real == "f" else 2.0**-53
    schemes = _team.constant(
        ("phi schemes", real),
        lambda: expm.programs(list(core.PHI1_SCHEMES.values()), 0.5, real),
    )
    taylor = _team.constant(
        ("phi taylor", k, real),
        lambda: np.array([1 / math.perm(i + k, i) for i in range(_TERMS)], real),
    )
    factorial = float(math.factorial(k))
    return np.float64(max(tol, unit)), schemes, taylor, np.float64(factorial)


def phi(A: Any, k: int, char: str, tol: float, return_info: bool) -> tuple[Any, np.ndarray | None]:
    """phi_k of matrices of any layout, packed, k >= 1; and its records."""
    a = expm.packed(A, tuple(A.shape), char)
    f = cupy.empty_like(a)
    info = expm.reports(len(a)) if return_info else None
    phi_into(a, k, tol, f, info)
    return f, None if info is None else expm.fetch(info, expm.INFO)


def phi_into(a: Any, k: int, tol: float, f: Any, info: Any) -> None:
    """f = phi_k(a), k >= 1, packed batches; info: as for expm."""
    char, launch = a.dtype.char, _team.Launch("expm_phi", a)
    room = launch.memory(_slots(k))
    launch(
        "phi",
        launch.n,
        np.int32(k),
        launch.count,
        a,
        f,
        *_constants(k, tol, char),
        room,
        _launch.NULL if info is None else info,
        launch.bytes,
    )


def derivative_into(a: Any, k: int, d: Any, tol: float, derived: Any, adjoint: bool) -> None:
    """derived: derivative of phi_k at a, or a^H, in the direction d."""
    char, launch = a.dtype.char, _team.Launch("expm_phi", a)
    room = launch.memory(2 * _slots(k))
    launch(
        "phi_derivative",
        launch.n,
        np.int32(k),
        launch.count,
        a,
        d,
        derived,
        *_constants(k, tol, char),
        room,
        launch.bytes,
        np.int32(adjoint),
    )
