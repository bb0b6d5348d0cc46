"""NumPy arrays: thin bindings of the C core, and the BLAS that it computes with."""

from __future__ import annotations

from . import _blas, core, expm, topk

__all__ = ["blas", "core", "expm", "topk"]

blas = _blas.load()
