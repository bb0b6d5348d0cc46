"""What all sketching operators share: identity, blocks, products, dispatch."""

from __future__ import annotations

import copy
import math
from typing import Any, ClassVar

import numpy as np

from .._core import dispatch, operators, validate
from .._core.random import Stream, as_stream
from ._layout import (
    _as_given,
    _as_library,
    _deliver,
    _fold,
    _like,
    _ready,
    _same_layout,
    _unfold,
    single,
)

_LARGEST = 2**30  # rows: a row and its sign share 32 bits
_PANEL = 4096  # columns of an operator that stand in memory at once


class Sketch:
    """A random map to d dimensions, known by a few words: its class, sizes and stream.

    Attributes
    ----------
    d : int
        Dimension of what it makes.
    m : int, tuple of int or None
        Dimension of what it takes; None: any.
    stream : Stream
        Where its random numbers begin.
    """

    # NumPy and SciPy then leave ``A @ S`` and ``A @ S.T`` to us
    __array_ufunc__ = None
    _open: ClassVar[bool] = False  # whether m may be None
    _kind: str = ""  # its name in the list of random kinds

    def __init__(self, d: Any, m: Any, rng: Any) -> None:
        self.d = validate.integer("d", d)
        validate.inside("d", self.d, 1, _LARGEST)
        if m is None and not self._open:
            raise TypeError(f"m must be an integer: {type(self).__name__} depends on it, got None")
        self.m = m
        if m is not None and not isinstance(m, tuple):
            self.m = validate.integer("m", m)
            validate.inside("m", self.m, 1, 2**62)
        self.stream = as_stream(rng)

    @property
    def next_stream(self) -> Stream:
        """Stream for the next operator, independent of this one."""
        return self.stream.advance()

    def _parameters(self) -> dict[str, Any]:
        """What the constructor takes beside d, m and rng, for repr."""
        return {}

    def __repr__(self) -> str:
        extra = "".join(f", {name}={value!r}" for name, value in self._parameters().items())
        return f"{type(self).__name__}({self.d}, {self.m}{extra}, rng={self.stream!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sketch) or type(self) is not type(other):
            return False
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((type(self), self._identity()))

    def _identity(self) -> tuple[Any, ...]:
        return (self.d, self.m, self.stream, *self._parameters().values())


class LinearSketch(Sketch):
    """A random d x m matrix with E[S^T S] = I, never stored.

    ``S @ A`` sketches the columns of A, ``A @ S.T`` its rows; ``S.T @ B`` and ``B @ S`` are the
    adjoints.  A may be an array of any library, of any layout, complex, a batch (..., m, n), one
    vector, or a sparse array of SciPy.  Results have the library, device and dtype of A (integers:
    float64); the arithmetic is done in that dtype, half precision in float32.  Products with
    tensors have derivatives; inside of ``torch.compile``, which takes ``@`` for a product of
    tensors, they are written ``S.apply(A)``.

    Attributes
    ----------
    d, m : int
        Rows and columns; m is None for an operator that takes any length.
    stream : Stream
        Where its random numbers begin.
    next_stream : Stream
        For an operator that is independent of this one.
    shape : tuple
        Rows and columns of this block.
    scale : float
        S is `scale` times a matrix of standard normals, or of -1, 0 and 1.
    """

    def __init__(self, d: Any, m: Any, rng: Any) -> None:
        super().__init__(d, m, rng)
        self._number = dispatch.backend("numpy").core.kinds().get(self._kind, 0)
        # the block that this object stands for: row, rows, column, columns (None: open)
        self._block: tuple[int, int, int, int | None] = (0, self.d, 0, self.m)

    def _identity(self) -> tuple[Any, ...]:
        return (*super()._identity(), self._block)

    def __repr__(self) -> str:
        whole = super().__repr__()
        row, rows, column, columns = self._block
        if (row, rows) != (0, self.d):
            whole += f".rows({row}, {row + rows})"
        if column or columns != self.m:
            whole += f".cols({column}, {'' if columns is None else column + columns})"
        return whole

    # ---- what it is ------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int | None]:
        """Rows and columns of this block; None: any number of columns."""
        return self._block[1], self._block[3]

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the entries; products are computed in that of the matrix."""
        return np.dtype(np.float64)

    @property
    def scale(self) -> float:
        """Factor before the matrix of standard normals, or of -1, 0 and 1."""
        return 1 / math.sqrt(self.d)

    @property
    def nnz(self) -> int | None:
        """Nonzeros in a column of the whole operator; None if it is dense."""
        return None

    @property
    def T(self) -> Transposed:
        """Transpose, for ``A @ S.T`` and ``S.T @ B``."""
        return Transposed(self)

    def rows(self, i: int, j: int) -> LinearSketch:
        """Operator of rows i ... j - 1 of this one, made alone.

        Parameters
        ----------
        i, j : int
            ``0 <= i <= j <= shape[0]``.

        Returns
        -------
        LinearSketch
            Its entries, and its scale, are those of the whole.
        """
        row, rows, column, columns = self._block
        i, j = _range(i, j, rows, "shape[0]")
        return self._cut(row + i, j - i, column, columns)

    def cols(self, i: int, j: int) -> LinearSketch:
        """Operator of columns i ... j - 1 of this one, made alone.

        Parameters
        ----------
        i, j : int
            ``0 <= i <= j <= shape[1]``.

        Returns
        -------
        LinearSketch
            Its entries, and its scale, are those of the whole.
        """
        row, rows, column, columns = self._block
        i, j = _range(i, j, columns, "shape[1]")
        return self._cut(row, rows, column + i, j - i)

    def _cut(self, row: int, rows: int, column: int, columns: int | None) -> LinearSketch:
        part = copy.copy(self)
        part._block = (row, rows, column, columns)
        return part

    def toarray(self, dtype: Any = None) -> np.ndarray:
        """Return the entries.

        Parameters
        ----------
        dtype : dtype, optional
            Single or double precision (the default), complex for a complex operator.

        Returns
        -------
        ndarray, shape ``shape``
            The same bits, rounded to `dtype`, as any block of any product uses.

        Raises
        ------
        ValueError
            The operator takes any length: cut it with ``cols`` first.
        """
        columns = self._columns(None, "toarray")
        wanted = np.result_type(self.dtype, np.float64) if dtype is None else np.dtype(dtype)
        char = validate.compute_char("dtype", wanted)
        validate.fits_memory("S", (self._block[1], columns), wanted)
        return self._entries(columns, char).astype(wanted, copy=False)

    def _columns(self, given: int | None, what: str) -> int:
        """Columns of this block, which meets `given` of them."""
        columns = self._block[3]
        if columns is not None:
            return columns
        if given is None:
            raise ValueError(f"{what} needs a number of columns: use cols(i, j) of this operator")
        return given

    # ---- products --------------------------------------------------------------------------------

    def __matmul__(self, A: Any) -> Any:
        return self._product(A, None, False)

    def __rmatmul__(self, B: Any) -> Any:
        return self._product(B, -1, True)

    def apply(
        self,
        A: Any,
        axis: int = 0,
        *,
        out: Any = None,
        accumulate: bool = False,
        sparse_output: bool = False,
    ) -> Any:
        """Sketch an axis of an array: ``S @ A`` for ``axis=0`` of a matrix.

        Parameters
        ----------
        A : array_like
            Its length along `axis` is ``shape[1]``.
        axis : int, default 0
            The axis of length m, which becomes one of length d.
        out : ndarray, optional
            Where to write (NumPy and CuPy); of the result's shape and dtype.
        accumulate : bool, default False
            Add to `out`.  ``S.cols(i, j).apply(A[i:j], out=B, accumulate=True)`` streams A by rows;
            `accumulator` does so with bits that do not depend on the cuts.
        sparse_output : bool, default False
            Return a CSR array: for a sparse A, and an operator that is sparse.

        Returns
        -------
        array
            S along that axis of A.

        Raises
        ------
        ValueError
            The length of the axis is not m (both are named), or `out` does not fit.
        TypeError
            A has no numbers that the operator takes, or the output cannot be sparse.
        numpy.exceptions.AxisError
            No such axis.

        Examples
        --------
        >>> import numpy as np, randla
        >>> S = randla.sketch.SparseSign(20, 100, rng=0)
        >>> A = np.ones((7, 100))
        >>> S.apply(A, axis=1).shape
        (7, 20)
        >>> B = np.zeros((20, 3))
        >>> for i in range(0, 100, 10):
        ...     _ = S.cols(i, i + 10).apply(np.ones((10, 3)), out=B, accumulate=True)
        >>> np.allclose(B, S @ np.ones((100, 3)))
        True
        """
        return self._product(A, axis, False, out, accumulate, sparse_output)

    def accumulator(self, n: int | None = None, dtype: Any = np.float64) -> Accumulator:
        """Sketch of a matrix whose rows arrive in pieces.

        Parameters
        ----------
        n : int, optional
            Columns of the matrix; None: a vector.
        dtype : dtype, default float64
            Of the pieces, and of the result: float32, float64, complex64 or complex128.

        Returns
        -------
        Accumulator
            Takes pieces by ``update(block)``; ``result()`` has the same bits for every cut.
        """
        return self._accumulator(n, dtype)

    def _accumulator(self, n: int | None, dtype: Any) -> Accumulator:
        return Accumulator(self, n, dtype)

    def _product(
        self,
        A: Any,
        axis: int | None,
        transposed: bool,
        out: Any = None,
        accumulate: bool = False,
        sparse_output: bool = False,
    ) -> Any:
        """S (transposed: S^T) along an axis of A; None: rows, the next to last axis."""
        if accumulate and out is None:
            raise ValueError("accumulate=True needs an array to add to, got out=None")
        if operators.is_sparse(A):
            return self._of_sparse(A, axis or 0, transposed, out, accumulate, sparse_output)
        if sparse_output:
            raise TypeError(f"sparse_output is for sparse A, got {type(A).__name__}")
        kind = dispatch.kind_of(A)
        if kind in ("sequence", "subclass"):
            A, kind = validate.as_array("A", A, kind), "numpy"
        ndim = len(A.shape)
        axis = validate.axis((-2 if ndim > 1 else -1) if axis is None else axis, ndim, "A")
        self._check_length(A.shape[axis], transposed, f"axis {axis} of A")
        if kind in ("numpy", "cupy"):
            return self._by_kernels(A, axis, transposed, out, accumulate, kind)
        if out is not None:
            raise TypeError(f"out is for NumPy arrays and CuPy's; A is a {type(A).__name__}")
        if dispatch.adapter(A) is not None and self._in_torch:
            return dispatch.backend("torch").sketch_apply(self, A, axis, transposed)
        result = self._reference(single(A), axis, transposed)
        return result if result.dtype == A.dtype else _as_given(result, A)

    def _check_length(self, length: int, transposed: bool, where: str) -> None:
        wanted = self.shape[0 if transposed else 1]
        if wanted is not None and length != wanted:
            name = "d" if transposed else "m"
            raise ValueError(
                f"{where} must have length {name} = {wanted}, as {type(self).__name__} has, "
                f"got {length}"
            )

    _sub = 0  # sub-stream
    _in_torch: ClassVar[bool] = True  # whether as an operation; else by the reference

    def _numbers(self, columns: int) -> tuple[int, ...]:
        """The operator as the core knows it: an rl_sketch."""
        row, rows, column, _ = self._block
        sizes = (self._number, self.d, self.m or 0, self.nnz or 0, self._sub)
        return (*sizes, self.stream.key, self.stream.offset, row, rows, column, columns)

    def _words(self, columns: int) -> np.ndarray:
        return np.array(self._numbers(columns), np.uint64)

    def _by_kernels(
        self, A: Any, axis: int, transposed: bool, out: Any, accumulate: bool, kind: str
    ) -> Any:
        """By the core, or by kernels on a GPU."""
        char = validate.compute_char("A", A.dtype)
        dtype = A.dtype if A.dtype.kind not in "iub" else np.dtype(np.float64)
        columns = self._columns(None if transposed else A.shape[axis], "S.T")
        length = columns if transposed else self._block[1]
        shape = (*A.shape[:axis], length, *A.shape[axis + 1 :])
        if out is not None:
            validate.output(out, shape, dtype, A)
        validate.fits_memory("A", shape, dtype)
        lib = np if kind == "numpy" else dispatch.backend("cupy").cupy
        X = _ready(lib, _fold(A, axis), char)
        folded: Any = None if out is None else _fold(out, axis)
        # with more axes, and gaps between them, it would be a copy
        direct = (
            out is not None
            and (out.ndim < 3 or out.flags.c_contiguous)
            and dtype.char == char
            and _same_layout(X, folded)
        )
        if direct:
            Y = folded
        else:
            Y = _like(lib, X, length, char)
            if accumulate:
                Y[...] = folded
        if X.size == 0 or Y.size == 0:
            if not accumulate:
                Y[...] = 0
        else:
            self._run(dispatch.backend(kind).sketch, columns, transposed, X, Y, accumulate)
        if direct:
            return out
        result = _unfold(Y, shape, axis)
        if out is None:
            return result.astype(dtype, copy=False)
        out[...] = result
        return out

    def _run(
        self, binding: Any, columns: int, transposed: bool, X: Any, Y: Any, accumulate: bool
    ) -> None:
        """Y (+)= S X for batches of matrices (b, m, n); complex ones as twice the columns."""
        if X.dtype.kind == "c":
            X, Y = X.view(X.real.dtype), Y.view(Y.real.dtype)
        words = self._words(columns)
        binding.apply(words, transposed, X, Y, self.scale, 1.0 if accumulate else 0.0)

    def _accumulate(self, X: np.ndarray, Y: np.ndarray) -> None:
        """Y += U X, where S = scale U: sums that go on with the same bits."""
        if X.dtype.kind == "c":
            X, Y = X.view(X.real.dtype), Y.view(Y.real.dtype)
        binding = dispatch.backend("numpy").sketch
        binding.apply(self._words(X.shape[1]), False, X, Y, 1.0, 1.0)

    def _pending_scale(self) -> float:
        """What is left to multiply after `_accumulate`."""
        return self.scale

    def _entries(self, columns: int, char: str) -> np.ndarray:
        """S as an array, by the core."""
        S = np.zeros((columns, self._block[1]), char)
        if S.size:
            dispatch.backend("numpy").sketch.fill(self._words(columns), S)
        return S.T

    # ---- sparse input ----------------------------------------------------------------------------

    def _of_sparse(
        self,
        A: Any,
        axis: int,
        transposed: bool,
        out: Any,
        accumulate: bool,
        sparse_output: bool,
    ) -> Any:
        """S along an axis of a sparse matrix; dense, or by `sparse_output` CSR."""
        if A.ndim != 2:
            raise ValueError(f"a sparse A must have 2 dimensions, got {A.ndim}")
        axis = validate.axis(axis, 2, "A")
        self._check_length(A.shape[axis], transposed, f"axis {axis} of A")
        operators.sound("A", A)
        char = validate.compute_char("A", A.dtype)
        dtype = A.dtype if A.dtype.kind not in "iub" else np.dtype(np.float64)
        if transposed:  # as dense as the result
            if sparse_output:
                raise TypeError("sparse_output is not for S.T: its result is dense")
            return self._by_kernels(A.toarray(), axis, True, out, accumulate, "numpy")
        if sparse_output:
            if out is not None:
                raise TypeError("sparse_output makes a new array: out must be None")
            S = self._tosparse(A.shape[axis], char)
            product = S @ A if axis == 0 else (S @ A.T).T
            return product.tocsr().astype(dtype, copy=False)
        shape = (self._block[1], A.shape[1]) if axis == 0 else (A.shape[0], self._block[1])
        if out is not None:
            validate.output(out, shape, dtype)
        else:
            validate.fits_memory("A", shape, dtype)
        X = A if axis == 0 else A.T
        X = (X if X.format in ("csr", "csc") else X.tocsr()).astype(char, copy=False)
        real = np.zeros((self._block[1], X.shape[1]), char.lower())
        self._run_sparse(X.real if X.dtype.kind == "c" else X, real)
        Y = real
        if X.dtype.kind == "c":
            imaginary = np.zeros_like(real)
            self._run_sparse(X.imag, imaginary)
            Y = real + 1j * imaginary
        Y = Y if axis == 0 else Y.T
        return Y.astype(dtype, copy=False) if out is None else _deliver(Y, out, accumulate)

    def _run_sparse(self, X: Any, Y: np.ndarray) -> None:
        """Y = S X for real X in CSR or CSC and Y = 0: a panel of rows at a time, made dense."""
        X = X.tocsr()
        binding, step = dispatch.backend("numpy").sketch, max(_PANEL, self._row_block())
        for i in range(0, X.shape[0], step):
            j = min(i + step, X.shape[0])
            dense = X[i:j].toarray(order="C")
            if dense.size:
                self.cols(i, j)._run(binding, j - i, False, dense[None], Y[None], True)

    def _tosparse(self, columns: int, char: str) -> Any:
        raise TypeError(f"sparse_output is for sparse operators; {type(self).__name__} is dense")

    def _row_block(self) -> int:
        """Columns of S that are taken at once: what fixes the order of the sums."""
        return int(dispatch.backend("numpy").sketch.block(self._words(self.m or 0)))

    # ---- reference -------------------------------------------------------------------------------

    def _reference(self, A: Any, axis: int, transposed: bool) -> Any:
        """S along an axis, a panel of its columns at a time, in array-API operations."""
        xp = dispatch.namespace(A)
        if xp.isdtype(A.dtype, ("integral", "bool")):
            A = xp.astype(A, xp.float64)
        columns = self._columns(None if transposed else A.shape[axis], "S.T")
        X = xp.moveaxis(A, axis, 0)
        rest = X.shape[1:]
        X = xp.reshape(X, (X.shape[0], math.prod(rest)))
        parts = []
        char = np.result_type(self.dtype, np.float64).char  # the scale is not rounded either
        for i in range(0, columns, _PANEL):
            j = min(i + _PANEL, columns)
            entries = self.cols(i, j)._entries(j - i, char)
            S = _as_library(xp, entries.T if transposed else entries, X)
            parts.append(S @ X if transposed else S @ X[i:j, :])
        if not parts:
            parts.append(xp.zeros((0 if transposed else self._block[1], X.shape[1]), dtype=X.dtype))
        total = xp.concat(parts, axis=0) if transposed else sum(parts[1:], start=parts[0])
        return xp.moveaxis(xp.reshape(total, (total.shape[0], *rest)), 0, axis)


class Transposed:
    """The transpose of a sketching operator: ``A @ S.T`` and ``S.T @ B``."""

    __array_ufunc__ = None

    def __init__(self, S: LinearSketch) -> None:
        self.T = S

    @property
    def shape(self) -> tuple[int | None, int]:
        """Rows and columns; None: any number."""
        rows, columns = self.T.shape
        return columns, rows

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the entries."""
        return self.T.dtype

    def toarray(self, dtype: Any = None) -> np.ndarray:
        """Return the entries."""
        return self.T.toarray(dtype).T

    def __matmul__(self, B: Any) -> Any:
        return self.T._product(B, None, True)

    def __rmatmul__(self, A: Any) -> Any:
        return self.T._product(A, -1, False)

    def __repr__(self) -> str:
        return f"{self.T!r}.T"


class Accumulator:
    """The sketch of a matrix whose rows arrive in pieces; made by ``S.accumulator``.

    The result has the same bits for every way of cutting the rows: a sparse operator adds rows in
    their order, a dense one waits until a block of fixed size is full.

    Parameters
    ----------
    S : LinearSketch
        The operator.
    n : int or None
        Columns of the matrix; None: a vector.
    dtype : dtype
        Of the result.

    Examples
    --------
    >>> import numpy as np, randla
    >>> S = randla.sketch.SparseSign(20, None, rng=0)
    >>> sums = S.accumulator(3)
    >>> for rows in (10, 1, 7):
    ...     sums.update(np.ones((rows, 3)))
    >>> np.array_equal(sums.result(), S @ np.ones((18, 3)))
    True
    """

    def __init__(self, S: LinearSketch, n: int | None, dtype: Any) -> None:
        self._S = S
        dtype = np.dtype(dtype)
        if dtype.char not in "fdFD":
            raise TypeError(f"dtype must be float32, float64, complex64 or complex128, got {dtype}")
        if n is not None:
            n = validate.integer("n", n)
            validate.inside("n", n, 0, 2**62)
        self._vector = n is None
        self._n = 1 if n is None else n
        validate.fits_memory("S @ A", (S.shape[0], self._n), dtype)
        self._sum = np.zeros((S.shape[0], self._n), dtype)
        self._block = S._row_block()
        self._waiting = np.empty((self._block if self._block > 1 else 0, self._n), dtype)
        self._held = 0
        self.rows = 0

    def update(self, block: Any) -> None:
        """Take the next rows.

        Parameters
        ----------
        block : ndarray, shape (rows, n) or (rows,)
            The rows that follow those which were taken before.

        Raises
        ------
        ValueError
            A wrong number of columns, or more rows than the operator has columns.
        """
        X = block if dispatch.kind_of(block) == "numpy" else np.asarray(block)
        wanted = ("rows",) if self._vector else ("rows", self._n)
        if X.ndim != len(wanted) or X.shape[1:] != wanted[1:]:
            listed = "(rows,)" if self._vector else f"(rows, {self._n})"
            raise ValueError(f"block must have shape {listed}, got {X.shape}")
        validate.compute_char("block", X.dtype)
        if not np.can_cast(X.dtype, self._sum.dtype, "same_kind"):
            raise TypeError(f"block must have dtype {self._sum.dtype}, got {X.dtype}")
        limit = self._S.shape[1]
        if limit is not None and self.rows + len(X) > limit:
            raise ValueError(f"block has {len(X)} rows, but only {limit - self.rows} are left")
        X = X.reshape(len(X), self._n).astype(self._sum.dtype, copy=False)
        self.rows += len(X)
        while len(X):
            if self._block > 1 and (self._held or len(X) < self._block):
                taken = min(len(X), self._block - self._held)
                self._waiting[self._held : self._held + taken] = X[:taken]
                self._held += taken
                X = X[taken:]
                if self._held == self._block:
                    self._add(self._sum, self._waiting, self.rows - len(X) - self._block)
                    self._held = 0
            else:
                whole = len(X) // self._block * self._block
                self._add(self._sum, X[:whole], self.rows - len(X))
                X = X[whole:]

    def _add(self, target: np.ndarray, X: np.ndarray, first: int) -> None:
        if X.size and target.size:
            part = self._S.cols(first, first + len(X))
            part._accumulate(np.ascontiguousarray(X)[None], target[None])

    def result(self) -> Any:
        """Return the sketch of the rows so far.

        Returns
        -------
        ndarray, shape (d, n) or (d,)
            A new array; further rows may follow.
        """
        total = self._sum.copy()
        if self._held:
            self._add(total, self._waiting[: self._held], self.rows - self._held)
        total *= self._S._pending_scale()
        return total[:, 0] if self._vector else total


def _range(i: Any, j: Any, limit: int | None, name: str) -> tuple[int, int]:
    i, j = validate.integer("i", i), validate.integer("j", j)
    validate.inside("i", i, 0, j, " (j)")
    validate.inside("j", j, i, 2**62 if limit is None else limit, f" ({name})")
    return i, j
