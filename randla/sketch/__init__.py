"""Sketching operators: random matrices that make large ones small, and are never stored.

``S @ A`` keeps what matters of A in d rows.  `SparseSign` is the one to begin with.
"""

from __future__ import annotations

from ._dense import Gaussian, Rademacher
from ._operator import Accumulator, LinearSketch, Sketch
from ._sampling import RowSampling, leverage_scores
from ._sparse import CountSketch, SparseSign
from ._srht import SRHT
from ._tensor import KhatriRao, TensorSketch

__all__ = [
    "SRHT",
    "Accumulator",
    "CountSketch",
    "Gaussian",
    "KhatriRao",
    "LinearSketch",
    "Rademacher",
    "RowSampling",
    "Sketch",
    "SparseSign",
    "TensorSketch",
    "leverage_scores",
]
