"""Tensors on a GPU as arrays of CuPy: their memory, and the stream that torch works on."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor

from .._core import dispatch


def on_gpu(x: Tensor) -> bool:
    """Whether CUDA kernels serve a tensor."""
    return x.device.type == "cuda"


def stream(x: Tensor) -> Any:
    """Make CuPy use the device of a tensor, and torch's current stream there."""
    cupy, both = dispatch.backend("cupy").cupy, contextlib.ExitStack()
    if on_gpu(x):
        both.enter_context(cupy.cuda.Device(x.device.index))
        current = torch.cuda.current_stream(x.device)
        both.enter_context(cupy.cuda.ExternalStream(current.cuda_stream))
    return both


def memory(x: Tensor) -> Any:
    """Share the memory of a tensor."""
    plain = x.detach().resolve_conj().resolve_neg()
    return dispatch.backend("cupy").cupy.from_dlpack(plain)
