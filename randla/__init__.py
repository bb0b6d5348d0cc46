"""randla: dense linear algebra for people who train models and people who do numerics.

Functions take NumPy, CuPy, torch or any array-API arrays and return what they were given.
"""

from __future__ import annotations

from ._core.config import get_include, num_threads, show_config
from ._core.random import Stream
from ._expm import ExpmInfo, expm
from ._expm_frechet import ExpmFrechetResult, expm_frechet

__version__ = "0.1.0"
__all__ = [
    "ExpmFrechetResult",
    "ExpmInfo",
    "Stream",
    "__version__",
    "expm",
    "expm_frechet",
    "get_include",
    "num_threads",
    "show_config",
]
