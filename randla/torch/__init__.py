"""The functions of randla as operations of torch, with derivatives of every order.

CPU tensors go to the kernels without a copy.  `randla.expm(tensor)` and its relatives are these
functions.
"""

from __future__ import annotations

from ._expm import expm, expm_frechet, expm_multiply, phi

__all__ = ["expm", "expm_frechet", "expm_multiply", "phi"]
