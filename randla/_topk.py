"""Top-k selection: the public functions, their checks, and the reference implementation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._core import dispatch, validate
from ._core.results import Result


class TopKResult(Result):
    """Result of `topk` and `merge_topk`; unpacks as ``values, indices``.

    Attributes
    ----------
    values : array
        The selected elements.
    indices : array of int
        Where they stand along the axis.
    """

    _fields = ("values", "indices")
    _extras = ()


class PartitionResult(Result):
    """Result of `partition_indices`; unpacks as ``selected, rejected``.

    Attributes
    ----------
    selected : array of int
        Indices of the k best, ascending.
    rejected : array of int
        All others, ascending.
    """

    _fields = ("selected", "rejected")
    _extras = ()


def topk(
    x: Any,
    k: int,
    *,
    axis: int = -1,
    largest: bool = True,
    sorted: bool = True,
    nan: str = "greatest",
    lengths: Any = None,
    index_dtype: Any = None,
    out: Any = None,
) -> TopKResult:
    """Find the k largest or smallest elements along an axis, and where they are.

    Parameters
    ----------
    x : array_like
        Real numbers (float16, bfloat16, float32, float64, integers, bool) of any strides, at least
        one-dimensional: an array of NumPy or CuPy, a tensor of torch (which `randla.torch` serves),
        or any other array with an array-API namespace (JAX outside of ``jit``; these run on their
        own operations).  Not modified.
    k : int
        How many, from 0 to the length of the axis.
    axis : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    sorted : bool, default True
        Best first, equal values by ascending index.  False: by ascending index, which is faster.
        The set is the same.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        A NaN, whatever its sign, counts as greater than infinity or as less than minus infinity; or
        is an error; or makes all values of its row NaN, with the indices of ``"greatest"``.  On a
        GPU a call with ``"raise"`` waits for the device; others do not.
    lengths : array_like of int, optional
        How many elements of each row exist, from `k` to the length of the axis; what follows is not
        looked at.  Its shape is that of `x` without `axis`.  On a GPU they are copied to the host
        to be checked, and the call waits for them.
    index_dtype : dtype, optional
        Either int64 (the default for NumPy, CuPy and torch) or int32.
    out : tuple of ndarray, optional
        Where a result of NumPy or CuPy goes: ``(values, indices)``, of the shapes and dtypes of the
        result, any strides, no overlap with `x`.  Undefined after an error.

    Returns
    -------
    TopKResult
        ``values, indices``, in the type of `x`, with k elements along `axis`.  Values are copies in
        the dtype of `x`.

    Raises
    ------
    ValueError
        If `x` has no dimension, `k` is negative or more than there are elements, an option is
        unknown, `nan` is ``"raise"`` and there is one, or `lengths` or `out` do not fit.
    TypeError
        If the dtype is complex, longdouble, object or a string, `k` is no integer, or `x` is a
        masked array, a matrix or a JAX tracer.
    numpy.exceptions.AxisError
        If there is no such axis.

    See Also
    --------
    topk_indices, topk_values, topk_mask : Parts of the result, for less.
    merge_topk : Joins the results of blocks.
    numpy.argpartition : Arbitrary choice among equal elements.

    Notes
    -----
    Of equal elements, the one of lowest index comes first, for the largest as for the smallest; -0
    equals +0, and all NaN are equal.  So the result is the same for every instruction set, number
    of threads and kind of array.

    The time is that of one reading of a long row if k is small beside it, and linear in the length
    in all cases [1]_.

    References
    ----------
    .. [1] R. W. Floyd, R. L. Rivest, "Expected time bounds for selection", Comm. ACM 18 (1975),
       165-172, doi:10.1145/360680.360691.

    Examples
    --------
    >>> import numpy as np, randla
    >>> x = np.array([[3.0, 1.0, 3.0, 2.0], [0.0, -0.0, np.nan, -1.0]])
    >>> values, indices = randla.topk(x, 2)
    >>> values
    array([[ 3.,  3.],
           [nan,  0.]])
    >>> indices
    array([[0, 2],
           [2, 0]])

    The smallest, in the order of their indices:

    >>> randla.topk(x, 2, largest=False, sorted=False).indices
    array([[1, 3],
           [0, 3]])
    """
    adapter = dispatch.adapter(x)
    if adapter is not None:
        _no_out(out, x)
        found = adapter.topk(
            x, k, dim=axis, largest=largest, sorted=sorted, nan=nan, lengths=lengths,
            index_dtype=index_dtype,
        )  # fmt: skip
        return found  # type: ignore[no-any-return]
    spec = _Spec(x, k, axis, largest, sorted, nan, lengths, index_dtype)
    if spec.xp is not None:
        _no_out(out, x)
        order = _reference(spec)
        return TopKResult(_reference_values(spec, order), _reference_indices(spec, order))
    targets = (None, None) if out is None else _out_pair(out)
    values, indices = _select(spec, (True, True), targets)
    return TopKResult(values, indices)


def topk_values(
    x: Any,
    k: int,
    *,
    axis: int = -1,
    largest: bool = True,
    sorted: bool = True,
    nan: str = "greatest",
    lengths: Any = None,
    out: Any = None,
) -> Any:
    """Find the k largest or smallest elements along an axis, without their indices.

    Parameters
    ----------
    x : array_like
        As for `topk`.
    k : int
        How many.
    axis : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    sorted : bool, default True
        Best first; False: in the order in which they stand in `x`, which is faster.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `topk`.
    lengths : array_like of int, optional
        How many elements of each row exist.
    out : ndarray, optional
        Where a result of NumPy or CuPy goes.

    Returns
    -------
    array
        The values of `topk`.

    Examples
    --------
    >>> import numpy as np, randla
    >>> randla.topk_values(np.array([3, 1, 4, 1, 5, 9]), 3)
    array([9, 5, 4])
    """
    adapter = dispatch.adapter(x)
    if adapter is not None:
        _no_out(out, x)
        return adapter.topk_values(
            x, k, dim=axis, largest=largest, sorted=sorted, nan=nan, lengths=lengths
        )
    spec = _Spec(x, k, axis, largest, sorted, nan, lengths)
    if spec.xp is not None:
        _no_out(out, x)
        return _reference_values(spec, _reference(spec))
    return _select(spec, (True, False), (out, None))[0]


def topk_indices(
    x: Any,
    k: int,
    *,
    axis: int = -1,
    largest: bool = True,
    sorted: bool = True,
    nan: str = "greatest",
    lengths: Any = None,
    index_dtype: Any = None,
    out: Any = None,
) -> Any:
    """Find where the k largest or smallest elements along an axis are.

    Parameters
    ----------
    x : array_like
        As for `topk`.
    k : int
        How many.
    axis : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    sorted : bool, default True
        Index of the best element first; False: ascending, which is faster.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `topk`.
    lengths : array_like of int, optional
        How many elements of each row exist.
    index_dtype : dtype, optional
        Either int64 (the default for NumPy, CuPy and torch) or int32.
    out : ndarray, optional
        Where a result of NumPy or CuPy goes.

    Returns
    -------
    array of int
        The indices of `topk`.

    Examples
    --------
    >>> import numpy as np, randla
    >>> randla.topk_indices(np.array([3, 1, 4, 1, 5, 9]), 3)
    array([5, 4, 2])
    """
    adapter = dispatch.adapter(x)
    if adapter is not None:
        _no_out(out, x)
        return adapter.topk_indices(
            x, k, dim=axis, largest=largest, sorted=sorted, nan=nan, lengths=lengths,
            index_dtype=index_dtype,
        )  # fmt: skip
    spec = _Spec(x, k, axis, largest, sorted, nan, lengths, index_dtype)
    if spec.xp is not None:
        _no_out(out, x)
        return _reference_indices(spec, _reference(spec))
    return _select(spec, (False, True), (None, out))[1]


def topk_mask(
    x: Any,
    k: int,
    *,
    axis: int = -1,
    largest: bool = True,
    nan: str = "greatest",
    lengths: Any = None,
) -> Any:
    """Mark the k largest or smallest elements along an axis.

    Parameters
    ----------
    x : array_like
        As for `topk`.
    k : int
        How many.
    axis : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest, or else the smallest.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `topk`; ``"propagate"`` is ``"greatest"`` here.
    lengths : array_like of int, optional
        How many elements of each row exist.

    Returns
    -------
    array of bool
        Of the shape of `x`: exactly k times True along `axis`.

    Examples
    --------
    >>> import numpy as np, randla
    >>> randla.topk_mask(np.array([3, 1, 4, 1, 5, 9]), 3)
    array([False, False,  True, False,  True,  True])
    """
    adapter = dispatch.adapter(x)
    if adapter is not None:
        return adapter.topk_mask(x, k, dim=axis, largest=largest, nan=nan, lengths=lengths)
    spec = _Spec(x, k, axis, largest, False, nan, lengths)
    if spec.xp is not None:
        return _reference_mask(spec, _reference(spec))
    mask = spec.lib.zeros((spec.rows, spec.n), bool)
    if mask.size and spec.k:
        dispatch.backend(spec.kernels).topk.mask(_chosen(spec), mask.view(np.uint8))
    return _restore(spec, mask)


def kth_value(
    x: Any,
    k: int,
    *,
    axis: int = -1,
    largest: bool = True,
    nan: str = "greatest",
    lengths: Any = None,
) -> Any:
    """Find the k-th largest or smallest element along an axis.

    Parameters
    ----------
    x : array_like
        As for `topk`.
    k : int
        Which one, counted from 1.
    axis : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The k-th largest, or else the k-th smallest.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `topk`.
    lengths : array_like of int, optional
        How many elements of each row exist.

    Returns
    -------
    array
        Of the shape of `x` without `axis`; a scalar if that leaves no dimension.

    Examples
    --------
    >>> import numpy as np, randla
    >>> x = np.array([[3, 1, 4], [1, 5, 9]])
    >>> randla.kth_value(x, 2)
    array([3, 5])
    """
    adapter = dispatch.adapter(x)
    if adapter is not None:
        return adapter.kth_value(x, k, dim=axis, largest=largest, nan=nan, lengths=lengths)
    spec = _Spec(x, k, axis, largest, True, nan, lengths, fewest=1)
    if spec.xp is not None:
        values = _reference_values(spec, _reference(spec))
        return values[(slice(None),) * spec.axis + (spec.k - 1, ...)]
    values = spec.lib.empty(spec.rows, spec.dtype)
    if spec.rows:
        _run(spec, values, None, kth=True)
    return values.reshape(spec.batch)[()]


def partition_indices(
    x: Any,
    k: int,
    *,
    axis: int = -1,
    largest: bool = True,
    nan: str = "greatest",
    index_dtype: Any = None,
) -> PartitionResult:
    """Split the indices along an axis into those of the k best elements and all others.

    Parameters
    ----------
    x : array_like
        As for `topk`.
    k : int
        How many are selected.
    axis : int, default -1
        Along which the elements are compared.
    largest : bool, default True
        The largest are selected, or else the smallest.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means, as for `topk`; ``"propagate"`` is ``"greatest"`` here.
    index_dtype : dtype, optional
        Either int64 (the default for NumPy, CuPy and torch) or int32.

    Returns
    -------
    PartitionResult
        ``selected, rejected``, both ascending, with k and n - k elements along `axis`: to gather
        some tokens of a sequence, and to scatter what became of them back between the others.

    Examples
    --------
    >>> import numpy as np, randla
    >>> randla.partition_indices(np.array([3, 1, 4, 1, 5, 9]), 2)
    PartitionResult(selected=array([4, 5]), rejected=array([0, 1, 2, 3]))
    """
    adapter = dispatch.adapter(x)
    if adapter is not None:
        parts = adapter.partition_indices(
            x, k, dim=axis, largest=largest, nan=nan, index_dtype=index_dtype
        )
        return parts  # type: ignore[no-any-return]
    spec = _Spec(x, k, axis, largest, False, nan, None, index_dtype)
    if spec.xp is not None:
        return _reference_partition(spec)
    selected = _chosen(spec)
    rejected = spec.lib.empty((spec.rows, spec.n - spec.k), np.int64)
    if rejected.size:
        if spec.k:
            dispatch.backend(spec.kernels).topk.rest(selected, rejected)
        else:
            rejected[:] = spec.lib.arange(spec.n)
    parts = (part.astype(spec.index_dtype, copy=False) for part in (selected, rejected))
    return PartitionResult(*(_restore(spec, part) for part in parts))


def merge_topk(
    results: Sequence[tuple[Any, Any]],
    k: int,
    *,
    offsets: Sequence[int] | None = None,
    axis: int = -1,
    largest: bool = True,
    sorted: bool = True,
    nan: str = "greatest",
) -> TopKResult:
    """Join the results of `topk` for blocks of one array into that for the whole.

    Parameters
    ----------
    results : sequence of (values, indices)
        Of each block, in any order; equal shapes but for `axis`.  Each must hold the k best of its
        block, or all of it.
    k : int
        How many, at most as many as the results hold together.
    offsets : sequence of int, optional
        What the indices of each block count from in the whole.  Default: they are those of the
        whole.
    axis : int, default -1
        Along which the elements were compared.
    largest : bool, default True
        As in the calls that gave `results`, like the following.
    sorted : bool, default True
        Best first, or by ascending index; the blocks may be in another order.
    nan : {"greatest", "least", "raise", "propagate"}, default "greatest"
        What a NaN means.

    Returns
    -------
    TopKResult
        ``values, indices``, what `topk` of the whole array gives: of equal elements, that of lowest
        index comes first.

    Examples
    --------
    >>> import numpy as np, randla
    >>> x = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
    >>> blocks = [randla.topk(x[i : i + 5], 3) for i in (0, 5)]
    >>> randla.merge_topk(blocks, 3, offsets=[0, 5])
    TopKResult(values=array([9, 6, 5]), indices=array([5, 7, 4]))
    """
    pairs = validate.pairs("results", results)
    if offsets is not None and len(offsets) != len(pairs):
        raise ValueError(f"offsets must have {len(pairs)} elements, one for each result")
    given = [0] * len(pairs) if offsets is None else offsets
    shifts = [validate.integer("offsets", shift) for shift in given]
    kind = dispatch.kind_of(pairs[0][0])
    if kind in ("numpy", "sequence", "subclass", "tracer"):
        xp: Any = np
        pairs = [
            (_as_numpy("values", values), _as_numpy("indices", indices))
            for values, indices in pairs
        ]
    else:
        xp = dispatch.namespace(pairs[0][0])
    where = validate.axis(axis, len(pairs[0][0].shape), "values")
    values = xp.concat([values for values, _ in pairs], axis=where)
    index = xp.concat(
        [indices + shift for (_, indices), shift in zip(pairs, shifts, strict=True)], axis=where
    )
    # in the order of the indices, position decides between equal values as the index does
    order = xp.argsort(index, axis=where, stable=True)
    values, index = (_along(xp, a, order, where) for a in (values, index))
    merged = topk(values, k, axis=where, largest=largest, sorted=sorted, nan=nan)
    return TopKResult(merged.values, _along(xp, index, merged.indices, where))


# ---- arguments -----------------------------------------------------------------------------------


class _Spec:
    """Checked arguments.

    `xp` is the namespace for the reference.  It is None where kernels run: those of the backend
    `kernels`, on arrays of the library `lib`.
    """

    __slots__ = (
        "axis", "batch", "dtype", "index_dtype", "k", "kernels", "largest", "last", "lengths",
        "lib", "n", "nan", "rows", "shape", "sorted", "x", "xp",
    )  # fmt: skip
    dtype: Any
    lib: Any
    lengths: Any
    xp: Any

    def __init__(
        self,
        x: Any,
        k: Any,
        axis: Any,
        largest: Any,
        sorted: Any,
        nan: Any,
        lengths: Any,
        index_dtype: Any = None,
        fewest: int = 0,
    ) -> None:
        kind = dispatch.kind_of(x)
        self.xp, self.lib, self.kernels = None, np, "numpy"
        if kind == "cupy":
            self.lib, self.kernels = dispatch.backend("cupy").cupy, "cupy"
        elif kind != "numpy":
            if kind in ("sequence", "subclass", "tracer"):
                x = validate.as_array("x", x, kind)
            else:
                self.xp = dispatch.namespace(x)
        self.x, self.dtype, self.shape = x, x.dtype, tuple(x.shape)
        if self.xp is None:
            self.dtype = _type_of(x.dtype)[0]
        else:
            _check_dtype(self.xp, x.dtype)
        self.axis = validate.axis(axis, len(self.shape), "x")
        self.last = self.axis == len(self.shape) - 1
        self.n = self.shape[self.axis]
        self.batch = self.shape[: self.axis] + self.shape[self.axis + 1 :]
        self.rows = math.prod(self.batch)
        self.k = validate.integer("k", k)
        validate.inside("k", self.k, fewest, self.n)
        self.largest, self.sorted = bool(largest), bool(sorted)
        if nan not in _NAN:
            validate.option("nan", nan, _NAN)
        self.nan = nan
        self.lengths = None if lengths is None else self._lengths(lengths)
        self.index_dtype = _index_dtype(index_dtype, self.n)

    def _lengths(self, lengths: Any) -> np.ndarray:
        given = np.asarray(dispatch.to_numpy(lengths))
        if given.dtype.kind not in "iu":
            raise TypeError(f"lengths must be integers, got dtype {given.dtype}")
        if given.shape != self.batch:
            raise ValueError(f"lengths must have shape {self.batch}, got {given.shape}")
        if given.size:
            validate.inside("lengths", int(given.min()), 0, self.n)
            validate.inside("lengths", int(given.max()), 0, self.n)
            validate.inside("k", self.k, 0, int(given.min()), " (the smallest of lengths)")
        return validate.packed(given.reshape(-1), np.int64)


_NAN = ("greatest", "least", "raise", "propagate")
_TYPES: dict[np.dtype, tuple[np.dtype, str, bool]] = {}


def _type_of(dtype: np.dtype) -> tuple[np.dtype, str, bool]:
    """The native dtype, its name in the bindings, and whether the buffer protocol knows it."""
    known = _TYPES.get(dtype)
    if known is None:
        # names of NumPy: "longlong" is int64 too
        name = dtype.name if dtype.kind not in "iu" else f"{dtype.kind}nt{8 * dtype.itemsize}"
        if dtype.kind == "u":
            name = f"uint{8 * dtype.itemsize}"
        if name not in dispatch.backend("numpy").topk.TYPES:
            raise TypeError(
                f"x has dtype {dtype}; expected float16, bfloat16, float32, float64, an integer "
                f"type or bool"
            )
        known = _TYPES[dtype] = (dtype.newbyteorder("="), name, name != "bfloat16")
    return known


def _index_dtype(given: Any, n: int) -> np.dtype:
    if given is None:
        return _INT64
    try:
        name = np.dtype(given).name
    except TypeError:
        name = str(given).rpartition(".")[2]  # torch.int32
    if name not in ("int64", "int32"):
        raise ValueError(f"index_dtype must be int64 or int32, got {given!r}")
    if name == "int32" and n > 2**31:
        raise ValueError(f"index_dtype int32 is for axes up to 2**31 elements, got {n}")
    return _INT64 if name == "int64" else _INT32


_INT32 = np.dtype(np.int32)
_INT64 = np.dtype(np.int64)


def _no_out(out: Any, x: Any) -> None:
    if out is not None:
        raise TypeError(f"out is for NumPy arrays and CuPy's; x is a {type(x).__name__}")


def _out_pair(out: Any) -> tuple[Any, Any]:
    if not isinstance(out, tuple) or len(out) != 2:
        raise TypeError(f"out must be a tuple (values, indices), got {type(out).__name__}")
    return out


def _as_numpy(name: str, x: Any) -> np.ndarray:
    kind = dispatch.kind_of(x)
    return x if kind == "numpy" else validate.as_array(name, x, kind)


# ---- kernels -------------------------------------------------------------------------------------


def _run(spec: _Spec, values: Any, indices: Any, *, kth: bool = False) -> None:
    """Let kernels write the selection of each row into C-contiguous arrays, not empty."""
    binding = dispatch.backend(spec.kernels).topk
    dtype, name, buffered = _type_of(spec.x.dtype)
    x = spec.x if spec.last else spec.lib.moveaxis(spec.x, spec.axis, -1)
    x = x.reshape(spec.rows, spec.n)  # a view where strides allow it
    if spec.lib is np:
        size = dtype.itemsize
        odd = x.strides[0] % size or x.strides[1] % size or not x.flags.aligned
        if odd or x.dtype != dtype:
            x = validate.packed(x, dtype)
    if not buffered:
        x = x.view(np.uint16)
        values = None if values is None else values.view(np.uint16)
    flags = binding.NAN[spec.nan]
    if not spec.largest:
        flags |= binding.SMALLEST
    if spec.sorted:
        flags |= binding.SORTED
    try:
        binding.topk(binding.TYPES[name], x, spec.k, spec.lengths, values, indices, flags, kth)
    except binding.FoundNaN as found:
        validate.no_nan("x", spec.batch, found.args[0])


def _select(spec: _Spec, wanted: tuple[bool, bool], out: tuple[Any, Any]) -> tuple[Any, Any]:
    """Values and indices, as far as they are wanted, where `out` says or in new arrays."""
    if out[0] is not None and out[1] is not None and isinstance(out[1], spec.lib.ndarray):
        validate.output(out[0], _shape(spec), spec.dtype, spec.x, out[1])
    values = _buffer(spec, out[0], spec.dtype) if wanted[0] else None
    indices = _buffer(spec, out[1], spec.index_dtype) if wanted[1] else None
    if spec.rows and spec.k:
        _run(spec, values, indices)
    return _deliver(spec, values, out[0]), _deliver(spec, indices, out[1])


def _shape(spec: _Spec) -> tuple[int, ...]:
    return (*spec.shape[: spec.axis], spec.k, *spec.shape[spec.axis + 1 :])


def _buffer(spec: _Spec, out: Any, dtype: np.dtype) -> Any:
    """Where the core writes: `out` if it can, else a new array, its axis last."""
    if out is not None:
        target = validate.output(out, _shape(spec), dtype, spec.x)
        if spec.last and validate.is_packed(target):
            return target
    validate.fits_memory("x", (spec.rows, spec.k), dtype)
    return spec.lib.empty((*spec.batch, spec.k), dtype)


def _deliver(spec: _Spec, buffer: np.ndarray | None, out: Any) -> Any:
    if buffer is None or buffer is out:
        return buffer
    lib = spec.lib
    if out is None:
        return buffer if spec.last else lib.ascontiguousarray(lib.moveaxis(buffer, -1, spec.axis))
    out[...] = lib.moveaxis(buffer, -1, spec.axis)
    return out


def _chosen(spec: _Spec) -> Any:
    """Indices of the selection, ascending, a row for each of x, in int64."""
    indices = spec.lib.empty((spec.rows, spec.k), np.int64)
    if indices.size:
        _run(spec, None, indices)
    return indices


def _restore(spec: _Spec, a: Any) -> Any:
    """Rows back to where the axis of x was."""
    a = a.reshape(*spec.batch, a.shape[-1])
    lib = spec.lib
    return a if spec.last else lib.ascontiguousarray(lib.moveaxis(a, -1, spec.axis))


# ---- reference -----------------------------------------------------------------------------------
#
# A stable sort of whole rows by class (NaN, numbers, what lies beyond `lengths`) and value, in
# array-API operations: for libraries without kernels of ours, under their own automatic
# differentiation, and as a test of the kernels.


def _check_dtype(xp: Any, dtype: Any) -> None:
    if not xp.isdtype(dtype, ("bool", "integral", "real floating")):
        raise TypeError(f"x has dtype {dtype}; expected real floating, integer or bool")


def _device(a: Any) -> Any:
    from array_api_compat import device

    return device(a)


def _along(xp: Any, a: Any, index: Any, axis: int) -> Any:
    """a at `index` along an axis."""
    if xp is np:
        return np.take_along_axis(a, index, axis)
    a, index = (xp.moveaxis(b, axis, -1) for b in (a, index))
    rows = math.prod(a.shape[:-1])
    start = xp.arange(rows, dtype=index.dtype, device=_device(a)) * a.shape[-1]
    flat = xp.reshape(index, (rows, -1)) + start[:, None]
    taken = xp.take(xp.reshape(a, (-1,)), xp.reshape(flat, (-1,)), axis=0)
    return xp.moveaxis(xp.reshape(taken, index.shape), -1, axis)


def _reference(spec: _Spec) -> Any:
    """Indices of the selection along the axis, in the order asked for."""
    xp, x, axis = spec.xp, spec.x, spec.axis
    if xp.isdtype(x.dtype, "bool"):
        x = xp.astype(x, xp.uint8)
    floating = xp.isdtype(x.dtype, "real floating")
    group = xp.zeros(x.shape, dtype=xp.int8, device=_device(x))
    if floating:
        missing = xp.isnan(x)
        _reference_nan(spec, missing)
        first = (spec.nan == "least") != spec.largest
        group = xp.astype(missing, xp.int8) * (-1 if first else 1)
        # no NaN and no -0: libraries order these in different ways
        x = xp.where(missing | (x == 0), xp.zeros_like(x), x)
    if spec.lengths is not None:
        group = xp.where(_valid(spec), group, xp.full_like(group, 2))
    order = xp.argsort(x, axis=axis, descending=spec.largest, stable=True)
    if floating or spec.lengths is not None:
        again = xp.argsort(_along(xp, group, order, axis), axis=axis, stable=True)
        order = _along(xp, order, again, axis)
    order = order[(slice(None),) * axis + (slice(0, spec.k), ...)]
    return order if spec.sorted else xp.sort(order, axis=axis)


def _valid(spec: _Spec) -> Any:
    """Which elements lie within `lengths`."""
    xp, device = spec.xp, _device(spec.x)
    shape = (*spec.shape[: spec.axis], 1, *spec.shape[spec.axis + 1 :])
    limit = xp.asarray(spec.lengths.astype(np.int32).tolist(), dtype=xp.int32, device=device)
    along = [spec.n if i == spec.axis else 1 for i in range(len(spec.shape))]
    position = xp.reshape(xp.arange(spec.n, dtype=xp.int32, device=device), tuple(along))
    return position < xp.reshape(limit, shape)


def _reference_nan(spec: _Spec, missing: Any) -> None:
    """Raise if a NaN is an error; the first row that has one is named."""
    if spec.nan != "raise" or spec.k == 0:
        return
    if spec.lengths is not None:
        missing = missing & _valid(spec)
    rows = dispatch.to_numpy(spec.xp.any(missing, axis=spec.axis)).reshape(-1)
    if rows.any():
        validate.no_nan("x", spec.batch, int(np.argmax(rows)))


def _reference_values(spec: _Spec, order: Any) -> Any:
    xp = spec.xp
    values = _along(xp, spec.x, order, spec.axis)
    if spec.nan == "propagate" and xp.isdtype(spec.x.dtype, "real floating"):
        missing = xp.isnan(spec.x)
        if spec.lengths is not None:
            missing = missing & _valid(spec)
        some = xp.any(missing, axis=spec.axis, keepdims=True)
        values = xp.where(some, xp.full_like(values, math.nan), values)
    return values


def _reference_indices(spec: _Spec, order: Any) -> Any:
    # without a wish: what the library itself uses for indices
    return spec.xp.astype(order, spec.xp.int32) if spec.index_dtype == np.int32 else order


def _reference_mask(spec: _Spec, order: Any) -> Any:
    """Inverse of the permutation of all indices, below k: no scatter in the standard."""
    xp, n = spec.xp, spec.n
    everything = _Spec(spec.x, n, spec.axis, spec.largest, True, spec.nan, None)
    if spec.lengths is not None:
        everything.lengths = spec.lengths
    full = _reference(everything)
    place = xp.argsort(full, axis=spec.axis)
    return place < spec.k


def _reference_partition(spec: _Spec) -> PartitionResult:
    xp, axis = spec.xp, spec.axis
    mask = _reference_mask(spec, None)
    # a stable sort of booleans: the selected first, both parts ascending
    order = xp.argsort(xp.astype(mask, xp.uint8), axis=axis, descending=True, stable=True)
    order = _reference_indices(spec, order)
    head = (slice(None),) * axis
    return PartitionResult(
        order[(*head, slice(0, spec.k), ...)], order[(*head, slice(spec.k, None), ...)]
    )
