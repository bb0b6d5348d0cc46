"""The functions of randla as operations of torch, with derivatives of every order.

CPU tensors go to the kernels without a copy, and so do those on a GPU where there are CUDA kernels.
`randla.expm(tensor)` and its relatives are these functions.
"""

from __future__ import annotations

from .._core import dispatch
from ._expm import expm, expm_frechet, expm_multiply, phi
from ._matmul import matmul
from ._qr import cholesky_qr, qr
from ._qr_lstsq import lstsq
from ._sketch import sketch_apply as sketch_apply  # for dispatch: users write S @ tensor
from ._sketch_tensor import tensor_sketch_apply as tensor_sketch_apply  # likewise
from ._svd import pca, randomized_range_finder, randomized_svd
from ._svd_eigh import randomized_eigh
from ._svd_trace import norm_estimate, trace_estimate
from ._topk import (
    kth_value,
    merge_topk,
    partition_indices,
    topk,
    topk_indices,
    topk_mask,
    topk_values,
)
from ._topk_soft import soft_rank, soft_topk, straight_through_topk

dispatch.backend("torch")  # known from now on: torch.compile cannot follow an import

__all__ = [
    "cholesky_qr",
    "expm",
    "expm_frechet",
    "expm_multiply",
    "kth_value",
    "lstsq",
    "matmul",
    "merge_topk",
    "norm_estimate",
    "partition_indices",
    "pca",
    "phi",
    "qr",
    "randomized_eigh",
    "randomized_range_finder",
    "randomized_svd",
    "soft_rank",
    "soft_topk",
    "straight_through_topk",
    "topk",
    "topk_indices",
    "topk_mask",
    "topk_values",
    "trace_estimate",
]
