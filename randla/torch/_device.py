"""Tensors on a GPU as arrays of CuPy: their memory, and the stream that torch works on."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

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
        both.enter_context(external(cupy, torch.cuda.current_stream(x.device).cuda_stream))
    return both


class _External(NamedTuple):
    """A stream by the protocol of CUDA's Python packages."""

    pointer: int

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.pointer


def external(cupy: Any, pointer: int) -> Any:
    """Stream of another library, for CuPy; before version 14 by its address alone."""
    if hasattr(cupy.cuda.Stream, "from_external"):
        return cupy.cuda.Stream.from_external(_External(pointer))
    return cupy.cuda.ExternalStream(pointer)


def memory(x: Tensor) -> Any:
    """Share the memory of a tensor."""
    plain = x.detach().resolve_conj().resolve_neg()
    return dispatch.backend("cupy").cupy.from_dlpack(plain)
