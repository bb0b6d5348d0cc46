"""NumPy arrays: thin bindings of the C core, and the BLAS that it computes with."""

from __future__ import annotations

try:
    from . import core, expm, matmul, qr, qr_lstsq, sketch, sketch_tensor, svd, topk, topk_soft
except ImportError as error:  # a clone's folder in front of the installed package, usually
    raise ImportError(
        f"randla's compiled modules are not in {__path__[0]}: install randla, and start Python "
        f"outside of its source folder ({error})"
    ) from error
from . import _blas

__all__ = [
    "blas",
    "core",
    "expm",
    "matmul",
    "qr",
    "qr_lstsq",
    "sketch",
    "sketch_tensor",
    "svd",
    "topk",
    "topk_soft",
]

blas = _blas.load()
