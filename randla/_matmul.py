"""Fast matrix multiplication: the public functions, their checks, and the reference."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ._core import dispatch, validate
from ._core.tuning import MATMUL, load_crossovers
from ._matmul_schemes import Scheme, matmul_schemes

_TYPES = {"f": "s", "d": "d", "F": "c", "D": "z"}  # characters of dtypes, as in the names in C


@dataclass(frozen=True)
class MatmulInfo:
    """What was done by `matmul`; for a batch, arrays of its shape.

    Attributes
    ----------
    algorithm : str
        ``"classical"`` (the BLAS), ``"3m"``, or the name of a scheme.
    levels : int
        How often the scheme was applied to its own products; 0 for the BLAS.
    workspace : int
        Bytes beyond operands and result.
    error_bound : float
        ``abs(result - a @ b) <= error_bound * abs(a).max() * abs(b).max()`` for every entry, up to
        terms of second order.  It grows with the square of the inner dimension: errors are as much
        smaller as roundings cancel.
    """

    algorithm: Any
    levels: Any
    workspace: Any
    error_bound: Any


# ---- schemes -------------------------------------------------------------------------------------


@cache
def _schemes() -> dict[str, tuple[int, Scheme]]:
    """All schemes by name, with their numbers in the core."""
    numbers = {n: i for i, n in enumerate(dispatch.backend("numpy").matmul.schemes())}
    return {scheme.name: (numbers[scheme.name], scheme) for scheme in matmul_schemes()}


@cache
def factors(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U, V, W of a scheme, of shapes (rank, m, k), (rank, k, n), (rank, m, n)."""
    s = _schemes()[name][1]
    shapes_of = ((s.m, s.k), (s.k, s.n), (s.m, s.n))
    u, v, w = (
        np.array(x, np.float64).reshape(s.rank, *shape) / d
        for x, shape, d in zip((s.u, s.v, s.w), shapes_of, s.denominators, strict=True)
    )
    return u, v, w


# ---- errors --------------------------------------------------------------------------------------


@cache
def _additions(name: str) -> int:
    """The most additions on a way to an entry."""
    u, v, w = factors(name)
    terms = np.count_nonzero(u, axis=(1, 2)) + np.count_nonzero(v, axis=(1, 2))
    used = w != 0
    return int((used.sum(axis=0) + (used * terms[:, None, None]).max(axis=0)).max())


def error_bound(name: str, levels: int, k: int, char: str) -> float:
    """Bound of `MatmulInfo`, for an inner dimension k and a dtype that computes.

    (k' + Q L) k' E^L u with k' = k / K^L (Ballard, Benson, Druinsky, Lipshitz, Schwartz 2016,
    theorem 3.3), and the roundings of what is peeled off.
    """
    unit = float(np.finfo(np.dtype(char)).eps) / 2
    if char in "FD":
        unit *= 2 * math.sqrt(2)  # of a complex product (Higham 2002, lemma 3.5)
    if name == "classical" or levels == 0:
        return k * k * unit
    if name == "3m":  # a scheme on real and imaginary parts: E = 6
        return (k + 6) * k * 6 * unit
    scheme = _schemes()[name][1]
    e, additions = scheme.stability_factor, _additions(name)
    pieces = float(scheme.k**levels)
    return (1 + k / pieces + additions * levels + pieces) * (k / pieces) * e**levels * unit


# ---- the choice ----------------------------------------------------------------------------------

_least: dict[str, int] = {}  # dtype.char -> below which side `auto` is always the BLAS


def refresh_crossovers() -> None:
    """Use what `tune_matmul` found on this machine, or what the library came with."""
    sides = load_crossovers(MATMUL)
    for char, letter in _TYPES.items():
        _least[char] = min(sides[f"{letter}1"][0], sides[f"{letter}2"][0])


def least_side(char: str) -> int:
    """Below which side `auto` is the classical product, whatever the number of threads."""
    if not _least:
        refresh_crossovers()
    return _least[char]


def scheme_number(name: str) -> int:
    """Number of a scheme in the core."""
    return _schemes()[name][0]


_NAMES = ("auto", "classical", "3m")


def options(algorithm: Any, levels: Any) -> tuple[str, int | None]:
    """Check the two options."""
    if not (isinstance(algorithm, str) and (algorithm in _NAMES or algorithm in _schemes())):
        validate.option("algorithm", algorithm, [*_NAMES, *_schemes()])
    if levels is not None:
        levels = validate.integer("levels", levels)
        if levels < 0:
            raise ValueError(f"levels must be at least 0, got {levels}")
    return algorithm, levels


# ---- the public function -------------------------------------------------------------------------


def matmul(
    a: Any,
    b: Any,
    /,
    *,
    algorithm: str = "auto",
    levels: int | None = None,
    out: Any = None,
    return_info: bool = False,
) -> Any:
    """Multiply matrices: by a fast scheme where that is known to win, else by the BLAS.

    Parameters
    ----------
    a, b : array_like
        Of shapes (..., m, k) and (..., k, n), batches broadcast; or 1-d, as for `numpy.matmul`.
        Arrays of NumPy or CuPy, tensors of torch (which `randla.torch` serves), or any other arrays
        with an array-API namespace (JAX outside of ``jit``; these run on their own operations).
        Not modified.
    algorithm : str, default "auto"
        ``"auto"``: Winograd's form of Strassen's scheme where all sides reach a measured crossover
        (`tune_matmul`) and all entries are finite, else the library's own product.
        ``"classical"``: that product.  ``"3m"``: complex matrices by three real products.  Or a
        name of `matmul_schemes`, as ``"winograd"``.
    levels : int, optional
        How often the scheme is applied to its own products; 0 is the classical product.  With
        ``"auto"``: of Winograd's form, instead of the crossovers.  Fewer are used where a side is
        smaller than the scheme's.  Default for a named scheme: 1.
    out : ndarray, optional
        Where a result of NumPy or CuPy goes: of its shape and dtype, any strides, no overlap with
        an input.  Undefined after an error.
    return_info : bool, default False
        Whether to return what was done as well.

    Returns
    -------
    array
        In the type of `a` and `b`.  float16 and bfloat16 are computed in float32; integers and bool
        by the array library itself.
    info : MatmulInfo
        If `return_info`.

    Raises
    ------
    ValueError
        If shapes do not fit, `algorithm` is unknown, `levels` is negative, or `out` does not fit or
        overlaps an input.
    TypeError
        If a dtype is longdouble, object or a string, ``"3m"`` is asked for real matrices, or the
        arrays belong to different libraries.
    MemoryError
        If there is no memory for a named scheme; ``"auto"`` uses the BLAS then.

    See Also
    --------
    matmul_schemes : The schemes that `algorithm` names.
    tune_matmul : Measures from which sizes on they are faster here.
    omega_history : What is known of the exponent.
    approx_matmul : Less accurate, and faster.
    numpy.matmul : The product by the BLAS alone.

    Notes
    -----
    A level of Winograd's form does 7/8 of the flops, at the cost of passes over memory for 15 sums
    of blocks, so that it pays for large matrices only: about 1.1 times the speed at n = 4096.

    Errors are larger than those of the classical product, and bounded with respect to the largest
    entries: small entries of the result beside large ones lose relative accuracy.  With one level,
    2 to 3 times those of BLAS in the Frobenius norm for random matrices; at most two levels are
    chosen by ``"auto"``.  Integers below 2^53 (float32: 2^24) throughout all sums of blocks and
    products give exact results with every scheme over Z.

    A NaN or inf makes all of a block NaN with a named scheme; ``"auto"`` looks for them in its
    first pass and uses the BLAS where it finds any.

    References
    ----------
    V. Strassen, "Gaussian elimination is not optimal", Numer. Math. 13 (1969), 354-356,
    doi:10.1007/BF02165411.

    G. Ballard, A. R. Benson, A. Druinsky, B. Lipshitz, O. Schwartz, "Improving the numerical
    stability of fast matrix multiplication", SIAM J. Matrix Anal. Appl. 37 (2016), 1382-1418,
    doi:10.1137/15M1032168.

    Examples
    --------
    >>> import numpy as np, randla
    >>> a = np.arange(6.0).reshape(2, 3)
    >>> randla.matmul(a, a.T)
    array([[ 5., 14.],
           [14., 50.]])
    >>> c, info = randla.matmul(a, a.T, algorithm="strassen", return_info=True)
    >>> info.algorithm, info.levels
    ('strassen', 1)
    """
    # what most calls are: small matrices of NumPy
    if type(a) is np.ndarray is type(b) and algorithm == "auto" and levels is None:
        shape_a, shape_b, dtype = a.shape, b.shape, a.dtype
        if (
            len(shape_a) == 2 == len(shape_b)
            and min(shape_a[0], shape_a[1], shape_b[1]) < _least.get(dtype.char, 0)
            and shape_a[1] == shape_b[0]
            and b.dtype == dtype
            and not return_info
        ):
            if out is None:
                with contextlib.suppress(ValueError):  # too large: said below
                    return np.matmul(a, b)
            elif (
                type(out) is np.ndarray
                and out.shape == (shape_a[0], shape_b[1])
                and out.dtype == dtype
                and out.flags.writeable
                and not np.may_share_memory(out, a)
                and not np.may_share_memory(out, b)
            ):
                return np.matmul(a, b, out=out)
    adapter = dispatch.adapter(a) or dispatch.adapter(b)
    if adapter is not None:
        if out is not None:
            raise TypeError("out is for arrays of NumPy and CuPy")
        return adapter.matmul(a, b, algorithm=algorithm, levels=levels, return_info=return_info)
    arrays = validate.numpy_arrays(a=a, b=b)
    name, count = options(algorithm, levels)
    if arrays is None and dispatch.kind_of(a) != "cupy":
        if out is not None:
            raise TypeError("out is for arrays of NumPy and CuPy")
        return _elsewhere(a, b, name, count, return_info)
    x, y = (a, b) if arrays is None else arrays
    product, info = dense(x, y, name, count, out, arrays is None, return_info)
    return (product, info) if return_info else product


def dense(
    a: Any, b: Any, name: str, levels: int | None, out: Any, device: bool, wants_info: bool
) -> tuple[Any, MatmulInfo | None]:
    """Arrays of NumPy or CuPy."""
    shape = shapes(a.shape, b.shape)
    if not _least and not device:
        refresh_crossovers()
    batch = shape[: max(a.ndim, b.ndim, 2) - 2]
    if a.dtype.kind in "iub" and b.dtype.kind in "iub":
        if out is not None:
            validate.output(out, shape, np.result_type(a.dtype, b.dtype), a, b)
        result = _own(a, b, out, device)
        return result, report(batch, "classical", 0.0) if wants_info else None
    dtype = validate.common_dtype(("a", a), ("b", b))
    validate.fits_memory("a @ b", shape, dtype)
    char = validate.compute_char("a", dtype)
    if name == "3m" and char not in "FD":
        raise TypeError(f"algorithm '3m' is for complex matrices, got dtype {dtype}")
    if out is not None:
        validate.output(out, shape, dtype, a, b)
    k = a.shape[-1]
    m, n = (1 if a.ndim == 1 else a.shape[-2]), (1 if b.ndim == 1 else b.shape[-1])
    narrow = dtype.itemsize < np.dtype(char).itemsize
    a, b = a.astype(char, copy=False), b.astype(char, copy=False)
    classical = (
        name == "classical"
        or levels == 0
        or (name == "auto" and levels is None and (device or min(m, k, n) < _least[char]))
        or 0 in (m, n, k)
        or a.ndim == 1
        or b.ndim == 1
    )
    extra = k * float(_eps(dtype)) / 2 if narrow else 0.0
    if classical:
        result = _own(a, b, None if narrow else out, device)
        bound = error_bound("classical", 0, k, char) + extra
        info = report(batch, "classical", bound) if wants_info else None
    else:
        target = (
            out if out is not None and not narrow else _lib(device, a).empty(shape, np.dtype(char))
        )
        info = _each(a, b, target, name, levels, device, extra)
        result = target
    if narrow:
        result = result.astype(dtype) if not isinstance(result, np.generic) else dtype.type(result)
        if out is not None:
            out[...] = result
            result = out
    return result, info


def _eps(dtype: np.dtype) -> float:
    return 2.0**-7 if dtype.name == "bfloat16" else float(np.finfo(dtype).eps)


def _lib(device: bool, x: Any) -> Any:
    return dispatch.backend("cupy").cupy if device else np


def _own(a: Any, b: Any, out: Any, device: bool) -> Any:
    """The product of the array library."""
    lib = _lib(device, a)
    return lib.matmul(a, b) if out is None else lib.matmul(a, b, out=out)


def shapes(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the product."""
    for name, shape in (("a", a), ("b", b)):
        if not shape:
            raise ValueError(f"{name} must have at least one dimension, got none")
    if a[-1] != b[0 if len(b) == 1 else -2]:
        raise ValueError(f"a and b must have the same inner dimension, got shapes {a} and {b}")
    batch = validate.broadcast(("a", a[:-2]), ("b", b[:-2]))
    return (*batch, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))


def report(
    batch: tuple[int, ...], name: Any, bound: float, levels: int = 0, workspace: int = 0
) -> MatmulInfo:
    if not batch:
        return MatmulInfo(name, levels, workspace, bound)
    return MatmulInfo(*(np.full(batch, value) for value in (name, levels, workspace, bound)))


def _each(
    a: Any, b: Any, out: Any, name: str, levels: int | None, device: bool, extra: float
) -> MatmulInfo:
    """One matrix after the other, by the core or on a device, into out."""
    char, k = out.dtype.char, a.shape[-1]
    batch = out.shape[:-2]
    lib = _lib(device, a)
    a = lib.broadcast_to(a, (*batch, *a.shape[-2:]))
    b = lib.broadcast_to(b, (*batch, *b.shape[-2:]))
    one = _one_on_device if device else _one
    rows = []
    for index in np.ndindex(*batch):
        used, used_levels, workspace = one(a[index], b[index], out[index], name, levels)
        bound = error_bound(used, used_levels, k, char) + extra
        rows.append((used, used_levels, workspace, bound))
    if not batch:
        return MatmulInfo(*rows[0])
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    kinds = (str, np.int64, np.int64, np.float64)
    return MatmulInfo(
        *(np.array(c, kind).reshape(batch) for c, kind in zip(columns, kinds, strict=True))
    )


def _one(
    a: np.ndarray, b: np.ndarray, out: np.ndarray, name: str, levels: int | None
) -> tuple[str, int, int]:
    binding = dispatch.backend("numpy").matmul
    special = {"auto": binding.AUTO, "3m": binding.THREE_M}
    number = special[name] if name in special else _schemes()[name][0]
    count = (-1 if name == "auto" else 1) if levels is None else levels
    direct = _unit_stride(out)
    used, used_levels, workspace = binding.product(
        _TYPES[out.dtype.char], _unit_stride(a), _unit_stride(b), direct, number, count
    )
    if direct is not out:
        out[...] = direct
    if used == binding.CLASSICAL:
        return "classical", 0, workspace
    if used == binding.THREE_M:
        return "3m", used_levels, workspace
    return binding.schemes()[used], used_levels, workspace


def _one_on_device(a: Any, b: Any, out: Any, name: str, levels: int | None) -> tuple[str, int, int]:
    count = 1 if levels is None else levels
    if name in ("auto", "winograd"):
        used, workspace = dispatch.backend("cupy").matmul.product(a, b, out, count)
        return ("winograd" if used else "classical"), used, workspace
    if name == "3m":
        raise NotImplementedError("algorithm '3m' is for arrays of NumPy")
    product, used = reference(dispatch.namespace(a), a, b, _schemes()[name][1], count)
    out[...] = product
    return (name if used else "classical"), used, 0


def _unit_stride(x: Any) -> Any:
    """The matrix, or a packed copy if neither its rows nor its columns lie together."""
    rows, cols = x.shape
    down, across = x.strides
    item = x.itemsize
    aligned = getattr(x.flags, "aligned", True)
    by_rows = (across == item or cols == 1) and (
        rows == 1 or (down >= cols * item and down % item == 0)
    )
    by_columns = (down == item or rows == 1) and (
        cols == 1 or (across >= rows * item and across % item == 0)
    )
    return x if aligned and (by_rows or by_columns) else x.copy()


# ---- the reference -------------------------------------------------------------------------------


def _elsewhere(a: Any, b: Any, name: str, levels: int | None, wants_info: bool) -> Any:
    """Arrays of other libraries, on their own operations."""
    xp = dispatch.namespace(a)
    shape = shapes(tuple(a.shape), tuple(b.shape))
    if name == "3m":
        raise NotImplementedError("algorithm '3m' is for arrays of NumPy")
    if name == "auto":
        name = "winograd" if levels else "classical"
    k = a.shape[-1]
    count = 1 if levels is None else levels
    if name == "classical" or a.ndim == 1 or b.ndim == 1 or not xp.isdtype(
        xp.result_type(a, b), ("real floating", "complex floating")
    ):  # fmt: skip
        count = 0
    if count:
        scheme = _schemes()[name][1]
        result, count = reference(xp, a, b, scheme, count)
    else:
        result = xp.matmul(a, b)
    if not wants_info:
        return result
    used = name if count else "classical"
    unit = float(xp.finfo(result.dtype).eps) if xp.isdtype(result.dtype, "real floating") else 0
    if xp.isdtype(result.dtype, "complex floating"):
        unit = float(xp.finfo(result.dtype).eps)
    scale = unit / float(np.finfo(np.float64).eps)
    bound = error_bound(used, count, k, "d") * scale
    batch = shape[: max(a.ndim, b.ndim) - 2]
    return result, report(batch, used, bound, count)


def reference(xp: Any, a: Any, b: Any, scheme: Scheme, levels: int) -> tuple[Any, int]:
    """Multiply by a scheme as it is written, on any array library; batches broadcast.

    What does not divide evenly is peeled off, at every level.  Returns the product, and how many
    levels fitted.
    """
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    if levels == 0 or m < scheme.m or k < scheme.k or n < scheme.n:
        return xp.matmul(a, b), 0
    h, d, w = m // scheme.m, k // scheme.k, n // scheme.n

    def cut(x: Any, rows: int, cols: int, down: int, across: int) -> list[Any]:
        return [
            x[..., i * rows : (i + 1) * rows, j * cols : (j + 1) * cols]
            for i in range(down)
            for j in range(across)
        ]

    def combine(coefficients: np.ndarray, blocks: list[Any]) -> Any:
        total = None
        for c, block in zip(coefficients.ravel().tolist(), blocks, strict=True):
            if c != 0:
                term = block if c == 1 else c * block
                total = term if total is None else total + term
        return total

    left, right = cut(a, h, d, scheme.m, scheme.k), cut(b, d, w, scheme.k, scheme.n)
    products, below = [], 0
    us, vs, ws = factors(scheme.name)
    for u, v in zip(us, vs, strict=True):
        p, below = reference(xp, combine(u, left), combine(v, right), scheme, levels - 1)
        products.append(p)
    rows = [
        xp.concat([combine(ws[:, i, j], products) for j in range(scheme.n)], axis=-1)
        for i in range(scheme.m)
    ]
    c = xp.concat(rows, axis=-2)
    m0, k0, n0 = h * scheme.m, d * scheme.k, w * scheme.n
    if k0 < k:
        c = c + xp.matmul(a[..., :m0, k0:], b[..., k0:, :n0])
    if n0 < n:
        c = xp.concat([c, xp.matmul(a[..., :m0, :], b[..., :, n0:])], axis=-1)
    if m0 < m:
        c = xp.concat([c, xp.matmul(a[..., m0:, :], b)], axis=-2)
    return c, below + 1
