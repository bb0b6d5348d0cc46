"""Sketches of Kronecker products, which are never formed: TensorSketch and Khatri-Rao."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from .._core import dispatch, operators, validate
from .._core.random import words
from ._dense import Rademacher
from ._layout import _as_library
from ._operator import Sketch

_MOST_FACTORS = 1024


class _TensorProduct(Sketch):
    """What the sketches of Kronecker products share: factors along an axis of several arrays."""

    lengths: tuple[int, ...]

    def __matmul__(self, A: Any) -> Any:
        raise TypeError(
            f"{type(self).__name__} is not linear in one matrix: use "
            f"{'apply(X) or ' if isinstance(self, TensorSketch) else ''}apply_factors(X1, ...)"
        )

    __rmatmul__ = __matmul__

    def _factors(self, given: tuple[Any, ...], axis: Any) -> tuple[str, list[Any], list[int]]:
        """Kind of array, the factors, and the axis of each, once they fit."""
        if len(given) != len(self.lengths):
            raise ValueError(
                f"{type(self).__name__} has {len(self.lengths)} factors, got {len(given)} arrays"
            )
        names = [f"X{g + 1}" for g in range(len(given))]
        xs = validate.numpy_arrays(**dict(zip(names, given, strict=True)))
        kind = "numpy" if xs is not None else dispatch.kind_of(given[0])
        if xs is None:
            xs = list(given)
        axes = []
        for name, x, m in zip(names, xs, self.lengths, strict=True):
            axes.append(validate.axis(axis, len(x.shape), name))
            self._check_length(name, x.shape, axes[-1], m)
            rest = [tuple(y.shape[:a]) + tuple(y.shape[a + 1 :]) for y, a in zip(xs, axes)]  # noqa: B905
            if rest[-1] != rest[0]:
                raise ValueError(
                    f"X1 and {name} must have the same shape beside axis {axis}, got "
                    f"{tuple(xs[0].shape)} and {tuple(x.shape)}"
                )
        return kind, xs, axes

    def _check_length(self, name: str, shape: tuple[int, ...], axis: int, m: int) -> None:
        if shape[axis] != m:
            raise ValueError(
                f"axis {axis} of {name} must have length {m}, as {type(self).__name__} has, "
                f"got {shape[axis]}"
            )


class TensorSketch(_TensorProduct):
    """Features whose inner products estimate a polynomial kernel, or sketch a Kronecker product.

    ``apply(X)`` maps vectors x of length m to d features with
    ``E[<f(x), f(y)>] = (gamma <x, y> + coef0)**degree``; ``apply_factors(X1, ..., Xq)`` is the
    linear sketch of the Kronecker product of q vectors, which is never formed.

    Parameters
    ----------
    d : int
        Features, in [1, 2**30].  A power of two is fastest.
    m : int or tuple of int
        Length of the vectors; a tuple: one length for each factor (`apply_factors` alone).
    degree : int, optional
        Number of factors, in [1, 1024].  Default: 2, or the length of `m`.
    gamma : float, default 1
        Factor of inner products, at least 0.
    coef0 : float, default 0
        Constant of the kernel, at least 0: vectors get one more entry, ``sqrt(coef0)``.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Its randomness; None draws from the system's entropy.

    Attributes
    ----------
    lengths : tuple of int
        Length of each factor.
    next_stream : Stream
        For an operator that is independent of this one.

    Raises
    ------
    TypeError
        Sizes that are no integers, parameters that are no numbers, an `rng` of another kind; and
        ``S @ A``, since it is not linear in A.
    ValueError
        A size or a parameter outside of its range.

    See Also
    --------
    KhatriRao : For factors whose product is not so coherent; linear as well.
    randla.sklearn.TensorSketch : The same as a transformer of scikit-learn.

    Notes
    -----
    Factor g is hashed by a `CountSketch` C_g of its own; the features are the circular convolution
    of the hashed factors [1]_::

        f(x) = irfft(prod_g rfft(C_g x))

    **Guarantee.**  Unbiased; the variance of an inner product is at most
    ``(3**degree - 1) / d`` times ``(gamma |x|**2 + coef0)**degree (gamma |y|**2 + coef0)**degree``
    [2]_.  So d must grow like ``3**degree / eps**2``.

    **Cost.**  For each vector ``degree * (m + 2.5 d log2(d))`` operations, in cache while d is at
    most some thousands; sparse vectors cost their nonzeros instead of m.  A d that is not a power
    of two costs as much as the next one above ``degree * (d - 1)``.

    **Not to be used** for few dimensions, where Nystroem's method is more accurate for its time;
    nor for a high degree with ``coef0 = 0``, whose kernel is nearly zero but for parallel vectors.

    The bits of a vector's features depend on no other vector, nor on the number of threads.  NaN
    and infinity spread over the features of their vector alone.

    References
    ----------
    .. [1] N. Pham, R. Pagh, "Fast and scalable polynomial kernels via explicit feature maps", KDD
       2013, doi:10.1145/2487575.2487591.
    .. [2] H. Avron, H. L. Nguyen, D. P. Woodruff, "Subspace embeddings for the polynomial kernel",
       NeurIPS 2014.

    Examples
    --------
    >>> import numpy as np, randla
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 20)) / 20**0.5
    >>> S = randla.sketch.TensorSketch(4096, 20, degree=2, coef0=1, rng=0)
    >>> F = S.apply(X, axis=1)
    >>> F.shape
    (50, 4096)
    >>> bool(np.abs(F @ F.T - (X @ X.T + 1) ** 2).max() < 0.3)
    True
    """

    _kind = "TENSOR_SKETCH"

    def __init__(
        self,
        d: int,
        m: int | tuple[int, ...],
        degree: int | None = None,
        *,
        gamma: float = 1.0,
        coef0: float = 0.0,
        rng: Any = None,
    ) -> None:
        if isinstance(m, tuple):
            m = tuple(_length(f"m[{g}]", length) for g, length in enumerate(m))
            degree = len(m) if degree is None else validate.integer("degree", degree)
            if degree != len(m):
                raise ValueError(f"degree must be {len(m)}, the length of m, got {degree}")
        super().__init__(d, m, rng)
        self.degree = 2 if degree is None else validate.integer("degree", degree)
        validate.inside("degree", self.degree, 1, _MOST_FACTORS)
        self.gamma, self.coef0 = _nonnegative("gamma", gamma), _nonnegative("coef0", coef0)
        self.lengths = m if isinstance(m, tuple) else (self.m,) * self.degree

    def _parameters(self) -> dict[str, Any]:
        return {"degree": self.degree, "gamma": self.gamma, "coef0": self.coef0}

    def apply(self, X: Any, axis: int = 0, *, out: Any = None) -> Any:
        """Sketch every vector along an axis: `degree` copies of it are the factors.

        Parameters
        ----------
        X : array_like or sparse array
            Real vectors of length m along `axis`; sparse ones of SciPy have two dimensions.
        axis : int, default 0
            The axis of length m, which becomes one of length d.
        out : ndarray, optional
            Where to write (NumPy and CuPy); of the result's shape and dtype.

        Returns
        -------
        array
            Features, dense, in the library and the dtype of `X` (integers: float64); computed in
            that dtype, half precision in float32.

        Raises
        ------
        ValueError
            The length of the axis is not m, or `out` does not fit; or m is a tuple.
        TypeError
            `X` has no real numbers.
        numpy.exceptions.AxisError
            No such axis.

        Examples
        --------
        >>> import numpy as np, randla
        >>> S = randla.sketch.TensorSketch(8, 3, rng=0)
        >>> S.apply(np.array([[1.0, 0.0, 2.0]]), axis=1).sum()
        np.float64(1.0)
        """
        if isinstance(self.m, tuple):
            raise ValueError(
                f"apply(X) needs one length for all factors; m is {self.m}: use apply_factors"
            )
        if operators.is_sparse(X):
            return self._of_sparse(X, axis, out)
        kind = dispatch.kind_of(X)
        if kind in ("sequence", "subclass", "tracer"):
            X, kind = validate.as_array("X", X, kind), "numpy"
        where = validate.axis(axis, len(X.shape), "X")
        self._check_length("X", X.shape, where, self.m)
        return self._run(kind, [X], [where], out)

    def apply_factors(self, *X: Any, axis: int = 0, out: Any = None) -> Any:
        """Sketch Kronecker products of vectors along an axis.

        Parameters
        ----------
        *X : array_like
            One array for each factor, of the length of that factor along `axis`, alike beside it.
        axis : int, default 0
            The axis that becomes one of length d.
        out : ndarray, optional
            Where to write (NumPy and CuPy); of the result's shape and dtype.

        Returns
        -------
        array
            The sketches; linear in each of `X`, if ``coef0 = 0``.

        Raises
        ------
        ValueError
            A wrong number of arrays, wrong lengths (both are named), or `out` does not fit.
        TypeError
            Arrays of several libraries, or without real numbers.

        Examples
        --------
        >>> import numpy as np, randla
        >>> S = randla.sketch.TensorSketch(64, (3, 5), rng=0)
        >>> x, y = np.arange(3.0), np.arange(5.0)
        >>> np.allclose(S.apply_factors(x, 2 * y), 2 * S.apply_factors(x, y))
        True
        """
        kind, xs, axes = self._factors(X, axis)
        return self._run(kind, xs, axes, out)

    # ---- by kernels ------------------------------------------------------------------------------

    @property
    def _scale(self) -> float:
        return math.sqrt(self.gamma)

    @property
    def _constant(self) -> float:
        return math.sqrt(self.coef0)

    def _key(self) -> tuple[int, int]:
        return self.stream.key, self.stream.offset

    def _run(self, kind: str, xs: list[Any], axes: list[int], out: Any) -> Any:
        """One array for all factors, or one for each."""
        if kind not in ("numpy", "cupy"):
            if out is not None:
                raise TypeError(
                    f"out is for NumPy arrays and CuPy's; X is a {type(xs[0]).__name__}"
                )
            adapter = dispatch.adapter(xs[0])
            if adapter is not None:
                return adapter.tensor_sketch_apply(self, xs, axes)
            return self._reference(xs, axes)
        chars = {_real_char(x) for x in xs}
        char = "f" if chars == {"f"} else "d"
        dtype = np.result_type(*(x.dtype for x in xs)) if len(xs) > 1 else xs[0].dtype
        if dtype.kind in "iub":
            dtype = np.dtype(np.float64)
        shape = (*xs[0].shape[: axes[0]], self.d, *xs[0].shape[axes[0] + 1 :])
        validate.fits_memory("X", shape, dtype)
        if out is not None:
            validate.output(out, shape, dtype, *xs)
        lib = np if kind == "numpy" else dispatch.namespace(xs[0])
        samples = [_samples(lib, x, axis, char) for x, axis in zip(xs, axes, strict=True)]
        samples += [None] * (self.degree - len(samples))
        result = out if out is not None else lib.empty(shape, dtype=dtype)
        target = _rows_of(result, axes[0]) if dtype.char == char else None
        y = (
            lib.empty((math.prod(shape) // self.d, self.d), dtype=char)
            if target is None
            else target
        )
        if y.size:
            backend = dispatch.backend(kind).sketch_tensor
            backend.apply(*self._key(), samples, self._scale, [self._constant] * self.degree, y)
        if target is None:
            rest = (*shape[: axes[0]], *shape[axes[0] + 1 :], self.d)
            result[...] = lib.moveaxis(y.reshape(rest), -1, axes[0])
        return result

    def _of_sparse(self, X: Any, axis: int, out: Any) -> Any:
        if X.ndim != 2:
            raise ValueError(f"a sparse X must have 2 dimensions, got {X.ndim}")
        axis = validate.axis(axis, 2, "X")
        self._check_length("X", X.shape, axis, self.m)
        operators.sound("X", X)
        char = _real_char(X)
        dtype = X.dtype if X.dtype.kind not in "iub" else np.dtype(np.float64)
        # vectors as rows: the columns of CSC are the rows of its transpose
        rows = X.tocsr() if axis == 1 else X.tocsc()
        wide = np.int64 if np.int64 in (rows.indices.dtype, rows.indptr.dtype) else np.int32
        pointers, indices = (validate.packed(x, wide) for x in (rows.indptr, rows.indices))
        shape = (X.shape[0], self.d) if axis == 1 else (self.d, X.shape[1])
        validate.fits_memory("X", shape, dtype)
        if out is not None:
            validate.output(out, shape, dtype, rows.data)
        result = out if out is not None else np.empty(shape, dtype)
        target = _rows_of(result, axis) if dtype.char == char else None
        y = np.empty((X.shape[1 - axis], self.d), char) if target is None else target
        if y.size:
            dispatch.backend("numpy").sketch_tensor.csr(
                *self._key(), self.degree, self.m, pointers, indices,
                validate.packed(rows.data, char), self._scale, self._constant, y,
            )  # fmt: skip
        if target is None:
            result[...] = y if axis == 1 else y.T
        return result

    # ---- reference -------------------------------------------------------------------------------

    def _codes(self, factor: int) -> tuple[np.ndarray, np.ndarray]:
        """Buckets and signs of a factor's features, and of the constant: by their formula."""
        count = self.lengths[factor] + 1
        number = dispatch.backend("numpy").core.kinds()[self._kind]
        w = words(self.stream, number, factor, 0, -(-count // 4)).ravel()[:count].astype(np.uint64)
        buckets = (w >> np.uint64(1)) * np.uint64(self.d) >> np.uint64(31)
        return buckets.astype(np.int64), 1.0 - 2.0 * (w & np.uint64(1)).astype(np.float64)

    def _reference(
        self, xs: list[Any], axes: list[int], constants: list[float] | None = None
    ) -> Any:
        """Hash by a product with C_g, and multiply Fourier transforms, in array-API operations.

        The constant of each factor is ``sqrt(coef0)``, unless `constants` say otherwise.
        """
        xp = dispatch.namespace(xs[0])
        product = None
        if constants is None:
            constants = [self._constant] * self.degree
        for g, constant in enumerate(constants):
            at = g if len(xs) > 1 else 0
            X = xs[at]
            if xp.isdtype(X.dtype, ("integral", "bool")):
                X = xp.astype(X, xp.float64)
            elif not xp.isdtype(X.dtype, "real floating"):
                raise TypeError(_NOT_REAL.format(X.dtype))
            X = xp.moveaxis(X, axes[at], -1)
            buckets, signs = self._codes(g)
            C = np.zeros((len(buckets), self.d))
            C[np.arange(len(buckets)), buckets] = signs
            hashed = self._scale * (X @ _as_library(xp, C[:-1], X))
            if constant:
                hashed = hashed + _as_library(xp, constant * C[-1:], X)[0, :]
            # one factor needs no transform; an irfft of length 1 is refused by some libraries
            if self.degree == 1:
                return xp.moveaxis(hashed, -1, axes[0])
            F = xp.fft.rfft(hashed) if self.d > 1 else hashed
            product = F if product is None else product * F
        y = xp.fft.irfft(product, n=self.d) if self.d > 1 else product
        return xp.moveaxis(y, -1, axes[0])


class _Signs(Rademacher):
    """A factor of `KhatriRao`: signs from a sub-stream of its own."""

    _kind = "KHATRI_RAO"

    def __init__(self, d: int, m: int, sub: int, rng: Any) -> None:
        super().__init__(d, m, rng=rng)
        self._sub = sub

    @property
    def scale(self) -> float:
        return 1.0

    def _entries(self, columns: int, char: str) -> np.ndarray:
        return np.asarray(np.sign(super()._entries(columns, char)))

    def _definition(self, i: int, j: int) -> np.ndarray:
        blocks = -(-self.d // 128)
        number = dispatch.backend("numpy").core.kinds()[self._kind]
        w = words(self.stream, number, self._sub, i * blocks, (j - i) * blocks)
        bits = w[:, :, None] >> np.arange(32, dtype=np.uint32) & np.uint32(1)
        return 1.0 - 2.0 * bits.reshape(j - i, 128 * blocks)[:, : self.d].T


class KhatriRao(_TensorProduct):
    """Sketch of Kronecker products by row-wise products of sign matrices.

    Row k is the Kronecker product of the rows k of q matrices of random signs, divided by
    ``sqrt(d)``; so a sketch of a Kronecker product of vectors is the elementwise product of q small
    sketches.

    Parameters
    ----------
    d : int
        Rows, in [1, 2**30].
    m : tuple of int
        Length of each factor; the operator has ``prod(m)`` columns, in C order.
    rng : None, int, Generator, SeedSequence or Stream, optional
        Its randomness; None draws from the system's entropy.

    Attributes
    ----------
    lengths : tuple of int
        Length of each factor.
    shape : tuple of int
        ``(d, prod(m))``.
    next_stream : Stream
        For an operator that is independent of this one.

    Raises
    ------
    TypeError
        Sizes that are no integers, an `m` that is no tuple, an `rng` of another kind.
    ValueError
        A size outside of its range.

    See Also
    --------
    TensorSketch : Cheaper for many rows: its cost does not multiply d by m.

    Notes
    -----
    **Guarantee.**  ``E[S^T S] = I``, and the variance of a squared norm is at most
    ``(3**q - 1) / d`` times its square [1]_: d must grow like ``C**q``.

    **Cost.**  ``2 d sum(m)`` flops for each vector, products by sign matrices that are drawn as
    they are used; ``prod(m)`` never appears.

    **Not to be used** for more than three or four factors, nor where the entries of a tensor are
    few and large: `TensorSketch` is then as accurate, and cheaper.

    References
    ----------
    .. [1] T. D. Ahle, M. Kapralov, J. B. T. Knudsen, R. Pagh, A. Velingker, D. P. Woodruff,
       A. Zandieh, "Oblivious sketching of high-degree polynomial kernels", SODA 2020,
       arXiv:1909.01410.

    Examples
    --------
    >>> import numpy as np, randla
    >>> S = randla.sketch.KhatriRao(6, (2, 3), rng=0)
    >>> x, y = np.array([1.0, 2.0]), np.array([0.0, 1.0, -1.0])
    >>> np.allclose(S.apply_factors(x, y), S.toarray() @ np.kron(x, y))
    True
    """

    _kind = "KHATRI_RAO"

    def __init__(self, d: int, m: tuple[int, ...], *, rng: Any = None) -> None:
        if not isinstance(m, tuple):
            raise TypeError(f"m must be a tuple of lengths, got {type(m).__name__}")
        validate.inside("len(m)", len(m), 1, _MOST_FACTORS)
        super().__init__(d, tuple(_length(f"m[{g}]", k) for g, k in enumerate(m)), rng)
        self.lengths: tuple[int, ...] = self.m
        self._signs = [_Signs(self.d, k, g, self.stream) for g, k in enumerate(self.lengths)]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.d, math.prod(self.lengths)

    @property
    def scale(self) -> float:
        """Modulus of the entries."""
        return 1 / math.sqrt(self.d)

    def toarray(self, dtype: Any = None) -> np.ndarray:
        """Return the entries.

        Parameters
        ----------
        dtype : dtype, optional
            Single or double precision (the default).

        Returns
        -------
        ndarray, shape (d, prod(m))
            Column ``(j_1, ..., j_q)``, in C order, is the product of the columns j_g.
        """
        wanted = np.dtype(np.float64 if dtype is None else dtype)
        if wanted.char not in "fd":
            raise TypeError(f"dtype must be float32 or float64, got {wanted}")
        validate.fits_memory("S", self.shape, wanted)
        entries = np.ones((self.d, 1), wanted)
        for factor in self._signs:
            signs = factor._definition(0, factor.m).astype(wanted)
            entries = (entries[:, :, None] * signs[:, None, :]).reshape(self.d, -1)
        return np.asarray(entries * wanted.type(self.scale))

    def apply_factors(self, *X: Any, axis: int = 0, out: Any = None) -> Any:
        """Sketch Kronecker products of vectors along an axis.

        Parameters
        ----------
        *X : array_like
            One array for each factor, of the length of that factor along `axis`, alike beside it.
        axis : int, default 0
            The axis that becomes one of length d.
        out : ndarray, optional
            Where to write (NumPy and CuPy); of the result's shape and dtype.

        Returns
        -------
        array
            ``S @ kron(x_1, ..., x_q)`` for each vector; linear in each of `X`.

        Raises
        ------
        ValueError
            A wrong number of arrays, wrong lengths (both are named), or `out` does not fit.
        TypeError
            Arrays of several libraries, or without numbers.
        """
        kind, xs, axes = self._factors(X, axis)
        if out is not None and kind not in ("numpy", "cupy"):
            raise TypeError(f"out is for NumPy arrays and CuPy's; X1 is a {type(xs[0]).__name__}")
        product = None
        for factor, x, where in zip(self._signs, xs, axes, strict=True):
            if kind in ("numpy", "cupy"):
                part = factor.apply(x, where)
            else:  # a product of matrices, which every library has
                part = factor._reference(x, where, False)
            product = part if product is None else product * part
        assert product is not None
        product = product * self.scale
        if out is None:
            return product
        validate.output(out, tuple(product.shape), product.dtype, *xs)
        out[...] = product
        return out


_NOT_REAL = "X has dtype {}; expected real numbers"


def _real_char(x: Any) -> str:
    """Character of the dtype in which real numbers are computed with."""
    char = validate.compute_char("X", x.dtype)
    if char in "FD":
        raise TypeError(_NOT_REAL.format(x.dtype))
    return char


def _length(name: str, value: Any) -> int:
    length = validate.integer(name, value)
    validate.inside(name, length, 1, 2**40)
    return length


def _nonnegative(name: str, value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.floating)):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} must be finite and at least 0, got {value}")
    return number


def _rows_of(x: Any, axis: int) -> Any | None:
    """The vectors along an axis as rows of a matrix, without a copy; None if that cannot be."""
    moved = x if axis == x.ndim - 1 else x.swapaxes(axis, -1) if x.ndim == 2 else None
    if moved is None or any(s % x.itemsize for s in x.strides):
        return None
    if x.ndim > 2 and not moved.flags.c_contiguous:
        return None
    if not getattr(x.flags, "aligned", True):
        return None
    return moved.reshape(-1, x.shape[axis]) if x.ndim != 2 else moved


def _samples(lib: Any, x: Any, axis: int, char: str) -> Any:
    """The vectors along an axis as rows of a matrix: most often a view."""
    rows = _rows_of(x.astype(char, copy=False), axis)
    if rows is None:
        m = x.shape[axis]
        rows = lib.ascontiguousarray(lib.moveaxis(x, axis, -1).reshape(-1, m), dtype=char)
        if not getattr(rows.flags, "aligned", True):
            rows = rows.copy()
    return rows
