"""From the type of an array to the code that serves it: the only place that knows frameworks exist.

Types are looked up in a dict that fills itself from the top-level module of a type (or of a base
of it), without importing a framework: a lookup takes 0.1 us.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np

# Kinds: "numpy", "torch", "cupy", "jax", "tracer" (JAX inside jit, grad, vmap), "array" (others
# with __array_namespace__), "sequence" (lists, tuples, numbers: np.asarray), "subclass" (of
# ndarray, with a meaning of its own: masked arrays, np.matrix, units).
_KINDS: dict[type, str] = {np.ndarray: "numpy", np.memmap: "numpy"}
_FRAMEWORKS = {"torch": "torch", "cupy": "cupy", "jax": "jax", "jaxlib": "jax"}


def kind_of(x: object) -> str:
    """Kind of an argument, by its type."""
    cls = type(x)
    kind = _KINDS.get(cls)
    return _KINDS.setdefault(cls, _classify(cls)) if kind is None else kind


def _classify(cls: type) -> str:
    if issubclass(cls, np.ndarray):
        return "subclass"
    if issubclass(cls, np.generic):  # has an array namespace, but is a number
        return "sequence"
    for base in cls.__mro__:
        framework = _FRAMEWORKS.get(base.__module__.partition(".")[0])
        if framework == "jax" and any("Tracer" in b.__name__ for b in cls.__mro__):
            return "tracer"
        if framework is not None:
            return framework
    return "array" if hasattr(cls, "__array_namespace__") else "sequence"


def adapter(x: Any) -> ModuleType | None:
    """Adapter that serves an array with operations of its framework, or None."""
    if kind_of(x) != "torch" or x.device.type not in ("cpu", "cuda", "meta"):
        return None
    return backend("torch")


_BACKENDS: dict[str, ModuleType] = {}


def backend(kind: str) -> ModuleType:
    """Backend or adapter for a kind of array; imported when it is first asked for."""
    module = _BACKENDS.get(kind)
    if module is None:
        name = {"numpy": "_cpu", "cupy": "_cuda", "torch": "torch"}[kind]
        module = _BACKENDS[kind] = importlib.import_module(f"randla.{name}")
    return module


def namespace(x: object) -> Any:
    """Array-API namespace of an array."""
    from array_api_compat import array_namespace

    return array_namespace(x)


def to_numpy(x: Any) -> np.ndarray:
    """Values of any array on the host, outside of every autograd graph."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        if str(x.dtype) == "torch.bfloat16":  # which NumPy lacks
            x = x.float()
    elif hasattr(x, "get"):
        x = x.get()
    try:
        return np.asarray(x)
    except (TypeError, ValueError, RuntimeError, BufferError):
        return np.from_dlpack(x)
