"""randla: dense linear algebra for people who train models and people who do numerics.

Functions take NumPy, CuPy, torch or any array-API arrays and return what they were given.
"""

from __future__ import annotations

from ._core.config import get_include, num_threads, show_config
from ._core.random import Stream
from ._core.results import AccuracyWarning
from ._expm import ExpmInfo, expm
from ._expm_frechet import ExpmFrechetResult, expm_frechet
from ._expm_multiply import ExpmMultiplyInfo, expm_multiply
from ._expm_phi import phi
from ._matmul import MatmulInfo, matmul
from ._matmul_approx import ApproxMatmulInfo, ApproxMatmulResult, approx_matmul
from ._matmul_schemes import OmegaBound, Scheme, matmul_schemes, omega_history
from ._matmul_tune import tune_matmul
from ._qr import PivotedQRResult, QRInfo, QRResult, cholesky_qr, qr
from ._qr_interpolative import (
    CURResult,
    InterpolativeInfo,
    InterpolativeResult,
    cur,
    interpolative,
)
from ._qr_lstsq import LstsqInfo, LstsqResult, lstsq
from ._svd import (
    PCAResult,
    SVDInfo,
    SVDResult,
    pca,
    randomized_range_finder,
    randomized_svd,
)
from ._svd_eigh import EighInfo, EighResult, randomized_eigh
from ._svd_stream import StreamingSVD
from ._svd_trace import EstimateInfo, EstimateResult, norm_estimate, trace_estimate
from ._topk import (
    PartitionResult,
    TopKResult,
    kth_value,
    merge_topk,
    partition_indices,
    topk,
    topk_indices,
    topk_mask,
    topk_values,
)
from ._topk_soft import soft_rank, soft_topk

__version__ = "0.1.0"
__all__ = [
    "AccuracyWarning",
    "ApproxMatmulInfo",
    "ApproxMatmulResult",
    "CURResult",
    "EighInfo",
    "EighResult",
    "EstimateInfo",
    "EstimateResult",
    "ExpmFrechetResult",
    "ExpmInfo",
    "ExpmMultiplyInfo",
    "InterpolativeInfo",
    "InterpolativeResult",
    "LstsqInfo",
    "LstsqResult",
    "MatmulInfo",
    "OmegaBound",
    "PCAResult",
    "PartitionResult",
    "PivotedQRResult",
    "QRInfo",
    "QRResult",
    "SVDInfo",
    "SVDResult",
    "Scheme",
    "Stream",
    "StreamingSVD",
    "TopKResult",
    "__version__",
    "approx_matmul",
    "cholesky_qr",
    "cur",
    "expm",
    "expm_frechet",
    "expm_multiply",
    "get_include",
    "interpolative",
    "kth_value",
    "lstsq",
    "matmul",
    "matmul_schemes",
    "merge_topk",
    "norm_estimate",
    "num_threads",
    "omega_history",
    "partition_indices",
    "pca",
    "phi",
    "qr",
    "randomized_eigh",
    "randomized_range_finder",
    "randomized_svd",
    "show_config",
    "soft_rank",
    "soft_topk",
    "topk",
    "topk_indices",
    "topk_mask",
    "topk_values",
    "trace_estimate",
    "tune_matmul",
]
