"""Checks of arguments: the only error texts that users see."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from . import dispatch


def as_array(name: str, x: Any, kind: str) -> np.ndarray:
    """Turn an argument of kind "sequence" into an array; refuse what would lose its meaning."""
    if kind == "subclass":
        raise TypeError(
            f"{name} is a {type(x).__name__}, a subclass of ndarray whose meaning would be lost; "
            f"pass numpy.asarray({name})"
        )
    if kind == "tracer":
        raise TypeError(f"{name} is a JAX tracer: call this function outside of jit, grad and vmap")
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} must be an array or a rectangular nested list: {error}") from None
    if array.dtype.hasobject:
        raise TypeError(f"{name} must be an array of numbers, got {type(x).__name__}")
    return array


_NUMPY_SERVES = ("numpy", "sequence", "subclass", "tracer")


def numpy_arrays(**named: Any) -> list[np.ndarray] | None:
    """Arguments of a call as NumPy arrays, where NumPy's kernels serve it, else None."""
    kinds = {name: dispatch.kind_of(x) for name, x in named.items()}
    if all(kind in _NUMPY_SERVES for kind in kinds.values()):
        return [
            x if kinds[name] == "numpy" else as_array(name, x, kinds[name])
            for name, x in named.items()
        ]
    if len(set(kinds.values())) > 1:
        listed = " and ".join(f"{type(x).__name__} for {name}" for name, x in named.items())
        raise TypeError(f"arrays must be of one library, got {listed}")
    return None


# dtype.char -> char of the dtype that computes.  Integers and bool compute in float64.
_COMPUTE = {"f": "f", "d": "d", "F": "F", "D": "D", "e": "f"} | dict.fromkeys("?bBhHiIlLqQ", "d")


def compute_char(name: str, dtype: np.dtype) -> str:
    """Character of the dtype in which an array is computed with: one of f d F D."""
    char = _COMPUTE.get(dtype.char)
    if char is None:
        if dtype.name == "bfloat16":  # ml_dtypes
            return "f"
        raise TypeError(
            f"{name} has dtype {dtype}; expected float16, bfloat16, float32, float64, complex64, "
            f"complex128, an integer type or bool"
        )
    return char


def packed(x: np.ndarray, dtype: Any) -> np.ndarray:
    """Array of this dtype as the core takes it: C-contiguous, and aligned, as not all are."""
    array = np.ascontiguousarray(x, dtype=dtype)
    return array if is_packed(array) else array.copy()


def is_packed(x: np.ndarray) -> bool:
    """Whether the core takes this array as it is."""
    flags = x.flags
    return flags.c_contiguous and getattr(flags, "aligned", True)  # CuPy's arrays always are


def common_dtype(*named: tuple[str, np.ndarray]) -> np.dtype:
    """Dtype of a result of several arrays: promoted, float64 where integers stand alone."""
    for name, x in named:
        compute_char(name, x.dtype)
    dtype = np.result_type(*(x.dtype for _, x in named))
    return dtype if dtype.kind not in "iub" else np.dtype(np.float64)


def broadcast(*named: tuple[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Shape that batches broadcast to."""
    try:
        return np.broadcast_shapes(*(shape for _, shape in named))
    except ValueError:
        listed = " and ".join(f"{shape} of {name}" for name, shape in named)
        raise ValueError(f"batches do not broadcast: {listed}") from None


def square(name: str, shape: tuple[int, ...]) -> None:
    """Require shape (..., n, n)."""
    if len(shape) < 2:
        raise ValueError(f"{name} must have shape (..., n, n), got {len(shape)} dimension(s)")
    if shape[-1] != shape[-2]:
        raise ValueError(f"{name} must be square in its last two axes, got shape {tuple(shape)}")


def factors(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Require shapes of a square A and of a B that A, or a function of it, multiplies."""
    square("A", a)
    if not b:
        raise ValueError("B must have shape (n,) or (..., n, p), got 0 dimensions")
    rows = b[0] if len(b) == 1 else b[-2]
    if rows != a[-1]:
        raise ValueError(f"A and B must have the same n, got shapes {a} and {b}")


def fits_memory(name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Refuse what no machine can hold (broadcast views can have any size) before touching it."""
    size = math.prod(shape) * dtype.itemsize
    if size > sys.maxsize:
        raise MemoryError(f"{name} has shape {shape}: a result of {size} bytes cannot be allocated")


def tolerance(tol: Any) -> float:
    """Require a number inside (0, 1); None gives 0, which the core takes as the unit roundoff."""
    if tol is None:
        return 0.0
    if isinstance(tol, bool) or not isinstance(tol, (Real, np.floating)):
        raise TypeError(f"tol must be a number in (0, 1) or None, got {type(tol).__name__}")
    value = float(tol)
    if not 0 < value < 1:
        raise ValueError(f"tol must be in (0, 1), got {tol}")
    return value


def fraction(name: str, value: Any) -> float:
    """Require a real number in [0, 1)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.number)):
        raise TypeError(f"{name} must be a real number, got {type(value).__name__}")
    number = float(value)
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value}")
    return number


def integer(name: str, value: Any) -> int:
    """Require an integer, of Python or of NumPy."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}")
    return int(value.__index__())


def inside(name: str, value: int, low: int, high: int, why: str = "") -> None:
    """Require low <= value <= high."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be in [{low}, {high}]{why}, got {value}")


def axis(value: Any, ndim: int, name: str) -> int:
    """Require an axis of an array; counted from 0."""
    if ndim == 0:
        raise ValueError(f"{name} must have at least one dimension, got none")
    where = integer("axis", value)
    if not -ndim <= where < ndim:
        raise np.exceptions.AxisError(where, ndim)
    return where % ndim


def no_nan(name: str, batch: tuple[int, ...], row: int) -> None:
    """Say which row, counted over a batch, has the NaN that is an error."""
    where = tuple(int(i) for i in np.unravel_index(row, batch)) if batch else ()
    raise ValueError(f"row {where} of {name} has a NaN" if where else f"{name} has a NaN") from None


def pairs(name: str, value: Any) -> list[tuple[Any, Any]]:
    """Require a sequence, not empty, of pairs."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{name} must be a sequence of pairs, got {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        raise TypeError(f"{name} must hold pairs (values, indices)")
    return list(value)


def times(t: Any) -> np.ndarray | None:
    """Require one number or a 1-d array of them, real or complex; None stays None."""
    if t is None:
        return None
    values = np.asarray(t)
    if values.ndim > 1:
        raise ValueError(f"t must be a number or 1-d, got shape {values.shape}")
    if values.dtype.kind not in "biufc":
        raise TypeError(f"t must be real or complex, got dtype {values.dtype}")
    return values


def option(name: str, value: Any, allowed: Iterable[Any]) -> None:
    """Require one of some values."""
    names = list(allowed)
    if not any(value is x or (isinstance(value, str) and value == x) for x in names):
        listed = ", ".join(repr(x) for x in names)
        raise ValueError(f"{name} must be one of {listed}, got {value!r}")


def output(
    out: Any, shape: tuple[int, ...], dtype: np.dtype, *inputs: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Require an array into which a result of this shape and dtype can be written."""
    device = bool(inputs) and dispatch.kind_of(inputs[0]) == "cupy"
    if not isinstance(out, type(inputs[0]) if device else np.ndarray):
        library = "cupy" if device else "numpy"
        raise TypeError(f"out must be a {library}.ndarray, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {out.shape}")
    if out.dtype != dtype:
        raise TypeError(f"out must have dtype {dtype}, got {out.dtype}")
    if not getattr(out.flags, "writeable", True):
        raise ValueError("out must be writable, got a read-only array")
    for x in inputs:
        if _near(out, x) if device else np.may_share_memory(out, x) and _overlaps(out, x):
            raise ValueError("out must not overlap an input")
    return out


def _near(a: Any, b: Any) -> bool:
    """Whether the memory of one CuPy array reaches into that of another, gaps included."""
    (a_first, a_end), (b_first, b_end) = _extent(a), _extent(b)
    return a_first < b_end and b_first < a_end


def _extent(x: Any) -> tuple[int, int]:
    first = last = int(x.data.ptr)
    for n, stride in zip(x.shape, x.strides, strict=True):
        first += min((n - 1) * stride, 0)
        last += max((n - 1) * stride, 0)
    return first, last + x.itemsize if x.size else first


_EFFORT: Any = 10_000  # NumPy's stubs know of 0 and -1 only


def _overlaps(a: np.ndarray, b: np.ndarray) -> bool:
    try:
        return np.shares_memory(a, b, max_work=_EFFORT)
    except np.exceptions.TooHardError:
        return True
