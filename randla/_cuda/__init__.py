"""CuPy arrays: kernels in CUDA C++, compiled by CuPy at their first use."""

from __future__ import annotations

try:
    import cupy
except ImportError as error:
    raise ImportError(
        f"arrays on a GPU need CuPy: pip install cupy-cuda12x (CUDA 13: cupy-cuda13x); {error}"
    ) from error

from . import (
    expm,
    expm_multiply,
    expm_phi,
    matmul,
    qr,
    qr_lstsq,
    sketch,
    sketch_tensor,
    svd,
    topk,
    topk_soft,
)

__all__ = [
    "cupy",
    "expm",
    "expm_multiply",
    "expm_phi",
    "matmul",
    "qr",
    "qr_lstsq",
    "sketch",
    "sketch_tensor",
    "svd",
    "topk",
    "topk_soft",
]
