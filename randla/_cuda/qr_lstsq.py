"""Least squares on a device: solves with the triangle of a sketch, by cuBLAS.

Everything else of `randla._qr_lstsq` is products, which CuPy gives to cuBLAS; the sketch alone, and
one number for each right-hand side and step, go to the host.
"""

from __future__ import annotations

from typing import Any

from cupyx.scipy.linalg import solve_triangular


def triangular_solve(R: Any, Y: Any, adjoint: bool) -> Any:
    """R^-1 Y or R^-H Y for an upper triangle R."""
    return solve_triangular(R, Y, trans=2 if adjoint else 0)
