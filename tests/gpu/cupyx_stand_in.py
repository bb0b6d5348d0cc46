"""What `cupy_stand_in` has of ``cupyx.scipy``: sparse matrices, and a triangular solve."""

import warnings

import numpy as np
from cupy_stand_in import _unwrap, _waits, _wrap


class csr_matrix:
    """The part of ``cupyx.scipy.sparse.csr_matrix`` that randla uses; `_host` is SciPy's."""

    __module__ = "cupyx.scipy.sparse._csr"
    format = "csr"

    def __init__(self, arg, shape=None, dtype=None, copy=False):
        import scipy.sparse

        if isinstance(arg, tuple):
            arg = tuple(map(_unwrap, arg))
        self._host = scipy.sparse.csr_matrix(arg, shape=shape, dtype=dtype, copy=copy)

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    nnz = property(lambda self: self._host.nnz)
    ndim = 2
    data = property(lambda self: _wrap(self._host.data))
    indices = property(lambda self: _wrap(self._host.indices))
    indptr = property(lambda self: _wrap(self._host.indptr))
    T = property(lambda self: csr_matrix(self._host.T.tocsr()))

    @property
    def has_canonical_format(self):
        _waits()
        return bool(self._host.has_canonical_format)

    def sum_duplicates(self):
        _waits()
        self._host.sum_duplicates()

    def __getitem__(self, rows):
        return csr_matrix(self._host[rows])

    def tocsr(self, copy=False):
        return self

    def copy(self):
        return csr_matrix(self._host.copy())

    def astype(self, t):
        return csr_matrix(self._host.astype(t))

    def toarray(self):
        return _wrap(self._host.toarray())

    def get(self):
        _waits()
        return self._host

    def __matmul__(self, x):
        return _wrap(np.asfortranarray(self._host @ _unwrap(x)))  # as cuSPARSE leaves it


def solve_triangular(
    a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, check_finite=False
):
    """CuPy's copies neither a nor b if they lie by columns, and b may be overwritten."""
    import scipy.linalg

    host = b._host
    in_place = overwrite_b and host.flags.f_contiguous
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            x = scipy.linalg.solve_triangular(
                a._host, host, trans=trans, lower=lower, unit_diagonal=unit_diagonal,
                check_finite=False,
            )  # fmt: skip
        except np.linalg.LinAlgError:  # cuBLAS divides by zero
            x = np.full(host.shape, np.nan, host.dtype)
    if not in_place:
        return _wrap(np.asfortranarray(x))
    host[...] = x
    return b
