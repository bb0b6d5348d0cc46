# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Binding of randomized SVDs and of the products they are made of.  Results are C-contiguous."""
from libc.stdint cimport int64_t, uint64_t, uintptr_t

import numpy

from randla._cpu.core import raise_status


cdef extern from "randla.h" nogil:
    ctypedef float floatcomplex "rl_complex_float"
    ctypedef double doublecomplex "rl_complex_double"
    ctypedef struct rl_stream:
        uint64_t key
        uint64_t offset
    ctypedef struct rl_svd_options:
        int64_t k
        int64_t oversamples
        int64_t n_iter
        rl_stream stream
    ctypedef struct rl_svd_info:
        double errors[6]
        int64_t fallbacks
        int64_t passes
        int64_t converged
    int RL_ERR_NOT_FINITE
    int RL_ERR_OVERFLOW
    int RL_SVD_PROBES
    int rl_ssvd_product(char order, char op, int64_t m, int64_t n, int64_t l, const float *a,
                        int64_t lda, const float *y, int64_t ldy, float *c, int64_t ldc,
                        int threads)
    int rl_dsvd_product(char order, char op, int64_t m, int64_t n, int64_t l, const double *a,
                        int64_t lda, const double *y, int64_t ldy, double *c, int64_t ldc,
                        int threads)
    int rl_csvd_product(char order, char op, int64_t m, int64_t n, int64_t l,
                        const floatcomplex *a, int64_t lda, const floatcomplex *y, int64_t ldy,
                        floatcomplex *c, int64_t ldc, int threads)
    int rl_zsvd_product(char order, char op, int64_t m, int64_t n, int64_t l,
                        const doublecomplex *a, int64_t lda, const doublecomplex *y, int64_t ldy,
                        doublecomplex *c, int64_t ldc, int threads)
    int rl_sspmm_panel(int csc, char op, int64_t m, int64_t n, int64_t l, const void *pointers,
                       const void *indices, int index_bytes, const float *a, const float *x,
                       int64_t ldx, float *y, int64_t ldy, int threads)
    int rl_dspmm_panel(int csc, char op, int64_t m, int64_t n, int64_t l, const void *pointers,
                       const void *indices, int index_bytes, const double *a, const double *x,
                       int64_t ldx, double *y, int64_t ldy, int threads)
    int rl_cspmm_panel(int csc, char op, int64_t m, int64_t n, int64_t l, const void *pointers,
                       const void *indices, int index_bytes, const floatcomplex *a,
                       const floatcomplex *x, int64_t ldx, floatcomplex *y, int64_t ldy,
                       int threads)
    int rl_zspmm_panel(int csc, char op, int64_t m, int64_t n, int64_t l, const void *pointers,
                       const void *indices, int index_bytes, const doublecomplex *a,
                       const doublecomplex *x, int64_t ldx, doublecomplex *y, int64_t ldy,
                       int threads)
    int rl_ssvd_normalise(int twice, int64_t m, int64_t l, float *y, int64_t ldy, float *r,
                          int *fell_back)
    int rl_dsvd_normalise(int twice, int64_t m, int64_t l, double *y, int64_t ldy, double *r,
                          int *fell_back)
    int rl_csvd_normalise(int twice, int64_t m, int64_t l, floatcomplex *y, int64_t ldy,
                          floatcomplex *r, int *fell_back)
    int rl_zsvd_normalise(int twice, int64_t m, int64_t l, doublecomplex *y, int64_t ldy,
                          doublecomplex *r, int *fell_back)
    int rl_ssvd_rand_batch(const rl_svd_options *options, int64_t batch, char order, int64_t m,
                           int64_t n, const float *a, int64_t lda, int64_t stride_a, float *u,
                           int64_t ldu, int64_t stride_u, float *s, int64_t stride_s, float *vh,
                           int64_t ldvh, int64_t stride_vh, rl_svd_info *info, int64_t *failed)
    int rl_dsvd_rand_batch(const rl_svd_options *options, int64_t batch, char order, int64_t m,
                           int64_t n, const double *a, int64_t lda, int64_t stride_a, double *u,
                           int64_t ldu, int64_t stride_u, double *s, int64_t stride_s, double *vh,
                           int64_t ldvh, int64_t stride_vh, rl_svd_info *info, int64_t *failed)
    int rl_csvd_rand_batch(const rl_svd_options *options, int64_t batch, char order, int64_t m,
                           int64_t n, const floatcomplex *a, int64_t lda, int64_t stride_a,
                           floatcomplex *u, int64_t ldu, int64_t stride_u, float *s,
                           int64_t stride_s, floatcomplex *vh, int64_t ldvh, int64_t stride_vh,
                           rl_svd_info *info, int64_t *failed)
    int rl_zsvd_rand_batch(const rl_svd_options *options, int64_t batch, char order, int64_t m,
                           int64_t n, const doublecomplex *a, int64_t lda, int64_t stride_a,
                           doublecomplex *u, int64_t ldu, int64_t stride_u, double *s,
                           int64_t stride_s, doublecomplex *vh, int64_t ldvh, int64_t stride_vh,
                           rl_svd_info *info, int64_t *failed)
    int rl_ssvd_squares(int64_t batch, int64_t length, const float *a, int64_t stride, double scale,
                        double *squares)
    int rl_dsvd_squares(int64_t batch, int64_t length, const double *a, int64_t stride,
                        double scale, double *squares)
    int rl_dsvd_single(int64_t length, const double *a, double factor, float *single)
    int rl_ssvd_rand_csr(const rl_svd_options *options, int csc, int64_t m, int64_t n,
                         const void *pointers, const void *indices, int index_bytes,
                         const float *a, float *u, int64_t ldu, float *s, float *vh, int64_t ldvh,
                         rl_svd_info *info)
    int rl_dsvd_rand_csr(const rl_svd_options *options, int csc, int64_t m, int64_t n,
                         const void *pointers, const void *indices, int index_bytes,
                         const double *a, double *u, int64_t ldu, double *s, double *vh,
                         int64_t ldvh, rl_svd_info *info)
    int rl_csvd_rand_csr(const rl_svd_options *options, int csc, int64_t m, int64_t n,
                         const void *pointers, const void *indices, int index_bytes,
                         const floatcomplex *a, floatcomplex *u, int64_t ldu, float *s,
                         floatcomplex *vh, int64_t ldvh, rl_svd_info *info)
    int rl_zsvd_rand_csr(const rl_svd_options *options, int csc, int64_t m, int64_t n,
                         const void *pointers, const void *indices, int index_bytes,
                         const doublecomplex *a, doublecomplex *u, int64_t ldu, double *s,
                         doublecomplex *vh, int64_t ldvh, rl_svd_info *info)


PROBES = RL_SVD_PROBES
# layout of rl_svd_info
INFO = [("errors", "f8", (RL_SVD_PROBES,)), ("fallbacks", "i8"), ("passes", "i8"),
        ("converged", "i8")]


class NotFinite(ValueError):
    """Matrix number `args[0]` has a NaN or an infinity."""


class Overflow(ValueError):
    """A singular value of matrix number `args[0]` is beyond the range of its dtype."""


cdef char _kind(array) except 0:
    """One of f, d, F, D."""
    cdef str char = array.dtype.char
    if char not in "fdFD":
        raise TypeError("dtype must be float32, float64, complex64 or complex128, got "
                        f"{array.dtype}")
    return ord(char)


cdef tuple _layout(a):
    """Order and leading dimension of the last two axes; ValueError without a contiguous one."""
    cdef int last = a.ndim - 1
    m, n, size = a.shape[last - 1], a.shape[last], a.itemsize
    rows, columns = a.strides[last - 1], a.strides[last]
    if (columns == size or n <= 1) and (m <= 1 or (rows % size == 0 and rows >= n * size)):
        return ord("C"), max(n, 1) if m <= 1 else rows // size
    if (rows == size or m <= 1) and (n <= 1 or (columns % size == 0 and columns >= m * size)):
        return ord("F"), max(m, 1) if n <= 1 else columns // size
    raise ValueError("neither rows nor columns are contiguous")


cdef _contiguous(str name, array, dtype, shape):
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f"{name} must be C-contiguous, of dtype {dtype} and shape {shape}")


cdef tuple _sparse(indptr, indices, data, shape, bint csc):
    """Bytes of an index."""
    if indptr.dtype != indices.dtype or indptr.dtype.char not in "ilq":
        raise TypeError(f"indices of {indptr.dtype} and {indices.dtype}")
    _contiguous("indptr", indptr, indptr.dtype, (shape[1 if csc else 0] + 1,))
    if indices.shape != data.shape or not (indices.flags.c_contiguous and data.flags.c_contiguous):
        raise ValueError("indices and data must be contiguous, and of one length")
    return shape[0], shape[1], indptr.itemsize


def squares(A, double scale=1.0):
    """Squared norms of scale times the rows of a C-contiguous 2-d array."""
    cdef char kind = _kind(A)
    cdef int64_t batch, length
    cdef int status
    batch, length = A.shape
    _contiguous("A", A, A.dtype, (batch, length))
    out = numpy.empty(batch)
    length *= 2 if kind in (c"F", c"D") else 1
    cdef void *a = <void *><uintptr_t>A.ctypes.data
    cdef double *sums = <double *><uintptr_t>out.ctypes.data
    with nogil:
        if kind == c"f" or kind == c"F":
            status = rl_ssvd_squares(batch, length, <float *>a, length, scale, sums)
        else:
            status = rl_dsvd_squares(batch, length, <double *>a, length, scale, sums)
    if status:
        raise_status(status)
    return out


def single(A, double factor):
    """factor A in single precision, in the order of a contiguous A of double precision."""
    if A.dtype.char not in "dD" or not (A.flags.c_contiguous or A.flags.f_contiguous):
        raise ValueError("A must be contiguous, of float64 or complex128")
    out = numpy.empty_like(A, dtype="f" if A.dtype.char == "d" else "F")
    cdef int64_t length = A.size * (1 if A.dtype.char == "d" else 2)
    cdef double *a = <double *><uintptr_t>A.ctypes.data
    cdef float *low = <float *><uintptr_t>out.ctypes.data
    cdef int status
    with nogil:
        status = rl_dsvd_single(length, a, factor, low)
    if status:
        raise_status(status)
    return out


def product(A, Y, bint adjoint=False, threads=None):
    """A Y, or A^H Y, for a dense A with contiguous rows or columns and a C-contiguous panel Y."""
    cdef char kind = _kind(A), order, op = c"C" if adjoint else c"N"
    cdef int64_t m, n, wide, lda
    cdef int status, team = 0 if threads is None else threads
    order, lda = _layout(A)
    m, n = A.shape
    wide = Y.shape[1]
    _contiguous("Y", Y, A.dtype, (m if adjoint else n, wide))
    out = numpy.empty((n if adjoint else m, wide), A.dtype)
    cdef int64_t ld = max(wide, 1)
    cdef void *a = <void *><uintptr_t>A.ctypes.data
    cdef void *y = <void *><uintptr_t>Y.ctypes.data
    cdef void *c = <void *><uintptr_t>out.ctypes.data
    with nogil:
        if kind == c"f":
            status = rl_ssvd_product(order, op, m, n, wide, <float *>a, lda, <float *>y, ld,
                                     <float *>c, ld, team)
        elif kind == c"d":
            status = rl_dsvd_product(order, op, m, n, wide, <double *>a, lda, <double *>y, ld,
                                     <double *>c, ld, team)
        elif kind == c"F":
            status = rl_csvd_product(order, op, m, n, wide, <floatcomplex *>a, lda,
                                     <floatcomplex *>y, ld, <floatcomplex *>c, ld, team)
        else:
            status = rl_zsvd_product(order, op, m, n, wide, <doublecomplex *>a, lda,
                                     <doublecomplex *>y, ld, <doublecomplex *>c, ld, team)
    if status:
        raise_status(status)
    return out


def sparse_product(indptr, indices, data, shape, Y, bint adjoint=False, bint csc=False,
                   threads=None):
    """A Y, or A^H Y, for A by rows (or columns: csc) and a C-contiguous panel Y.

    Indices are inside, which the caller has checked.
    """
    cdef char kind = _kind(data), op = c"C" if adjoint else c"N"
    cdef int64_t m, n, wide
    cdef int status, width, by_columns = csc, team = 0 if threads is None else threads
    m, n, width = _sparse(indptr, indices, data, shape, csc)
    wide = Y.shape[1]
    _contiguous("Y", Y, data.dtype, (m if adjoint else n, wide))
    out = numpy.empty((n if adjoint else m, wide), data.dtype)
    cdef int64_t ld = max(wide, 1)
    cdef void *p = <void *><uintptr_t>indptr.ctypes.data
    cdef void *i = <void *><uintptr_t>indices.ctypes.data
    cdef void *a = <void *><uintptr_t>data.ctypes.data
    cdef void *y = <void *><uintptr_t>Y.ctypes.data
    cdef void *c = <void *><uintptr_t>out.ctypes.data
    with nogil:
        if kind == c"f":
            status = rl_sspmm_panel(by_columns, op, m, n, wide, p, i, width, <float *>a, <float *>y,
                                    ld, <float *>c, ld, team)
        elif kind == c"d":
            status = rl_dspmm_panel(by_columns, op, m, n, wide, p, i, width, <double *>a,
                                    <double *>y, ld, <double *>c, ld, team)
        elif kind == c"F":
            status = rl_cspmm_panel(by_columns, op, m, n, wide, p, i, width, <floatcomplex *>a,
                                    <floatcomplex *>y, ld, <floatcomplex *>c, ld, team)
        else:
            status = rl_zspmm_panel(by_columns, op, m, n, wide, p, i, width, <doublecomplex *>a,
                                    <doublecomplex *>y, ld, <doublecomplex *>c, ld, team)
    if status:
        raise_status(status)
    return out


cdef tuple _normalise(Y, int twice):
    cdef char kind = _kind(Y)
    cdef int64_t m, wide, ld
    cdef int status, fell_back = 0
    m, wide = Y.shape
    if m < wide:
        raise ValueError(f"a panel has at least as many rows as columns, got {m} x {wide}")
    _contiguous("Y", Y, Y.dtype, (m, wide))
    Q = Y.copy()
    R = numpy.empty((wide, wide), Y.dtype)
    ld = max(wide, 1)
    cdef void *q = <void *><uintptr_t>Q.ctypes.data
    cdef void *r = <void *><uintptr_t>R.ctypes.data
    with nogil:
        if kind == c"f":
            status = rl_ssvd_normalise(twice, m, wide, <float *>q, ld, <float *>r, &fell_back)
        elif kind == c"d":
            status = rl_dsvd_normalise(twice, m, wide, <double *>q, ld, <double *>r, &fell_back)
        elif kind == c"F":
            status = rl_csvd_normalise(twice, m, wide, <floatcomplex *>q, ld, <floatcomplex *>r,
                                       &fell_back)
        else:
            status = rl_zsvd_normalise(twice, m, wide, <doublecomplex *>q, ld, <doublecomplex *>r,
                                       &fell_back)
    if status == RL_ERR_NOT_FINITE:
        raise NotFinite(0)
    if status:
        raise_status(status)
    return Q, R, bool(fell_back)


def orthonormalise(Y):
    """Q, R with Q R = Y, Q orthonormal to roundings, and whether Householder's was needed."""
    return _normalise(Y, 1)


def normalise(Y):
    """The same by one pass, after which Q is orthonormal to a thousandth."""
    return _normalise(Y, 0)


cdef tuple _report(info, tuple batch):
    """errors, fallbacks, passes, converged"""
    if batch == ():
        one = info[0]
        return (one["errors"].copy(), int(one["fallbacks"]), int(one["passes"]),
                bool(one["converged"]))
    return (info["errors"].copy().reshape((*batch, -1)), info["fallbacks"].copy().reshape(batch),
            info["passes"].copy().reshape(batch), (info["converged"] != 0).reshape(batch))


def randomized_svd(A, int64_t k, int64_t n_oversamples, int64_t n_iter, uint64_t key,
                   uint64_t offset=0):
    """U, S, Vh and (errors, fallbacks, passes, converged) of a matrix, or of a stack of them.

    Rows or columns are contiguous, none is empty.
    """
    cdef char kind = _kind(A), order
    cdef rl_svd_options options
    cdef int64_t batch, m, n, lda, stride, failed = -1
    cdef int status
    single = A.ndim == 2
    stack = A[None] if single else A
    batch, m, n = stack.shape
    order, lda = _layout(stack)
    stride = stack.strides[0] // stack.itemsize
    if stack.strides[0] % stack.itemsize:
        raise ValueError("matrices do not lie whole numbers apart")
    real = numpy.empty(0, A.dtype).real.dtype
    U = numpy.empty((batch, m, k), A.dtype)
    S = numpy.empty((batch, k), real)
    Vh = numpy.empty((batch, k, n), A.dtype)
    info = numpy.zeros(batch, INFO)
    options.k = k
    options.oversamples = n_oversamples
    options.n_iter = n_iter
    options.stream.key = key
    options.stream.offset = offset
    cdef void *a = <void *><uintptr_t>stack.ctypes.data
    cdef void *u = <void *><uintptr_t>U.ctypes.data
    cdef void *s = <void *><uintptr_t>S.ctypes.data
    cdef void *v = <void *><uintptr_t>Vh.ctypes.data
    cdef rl_svd_info *report = <rl_svd_info *><uintptr_t>info.ctypes.data
    with nogil:
        if kind == c"f":
            status = rl_ssvd_rand_batch(&options, batch, order, m, n, <float *>a, lda, stride,
                                        <float *>u, k, m * k, <float *>s, k, <float *>v, n, k * n,
                                        report, &failed)
        elif kind == c"d":
            status = rl_dsvd_rand_batch(&options, batch, order, m, n, <double *>a, lda, stride,
                                        <double *>u, k, m * k, <double *>s, k, <double *>v, n,
                                        k * n, report, &failed)
        elif kind == c"F":
            status = rl_csvd_rand_batch(&options, batch, order, m, n, <floatcomplex *>a, lda,
                                        stride, <floatcomplex *>u, k, m * k, <float *>s, k,
                                        <floatcomplex *>v, n, k * n, report, &failed)
        else:
            status = rl_zsvd_rand_batch(&options, batch, order, m, n, <doublecomplex *>a, lda,
                                        stride, <doublecomplex *>u, k, m * k, <double *>s, k,
                                        <doublecomplex *>v, n, k * n, report, &failed)
    if status == RL_ERR_NOT_FINITE:
        raise NotFinite(failed)
    if status == RL_ERR_OVERFLOW:
        raise Overflow(failed)
    if status:
        raise_status(status)
    if single:
        return U[0], S[0], Vh[0], _report(info, ())
    return U, S, Vh, _report(info, (batch,))


def randomized_svd_sparse(indptr, indices, data, shape, int64_t k, int64_t n_oversamples,
                          int64_t n_iter, uint64_t key, uint64_t offset=0, bint csc=False):
    """The same for a matrix stored by rows, or by columns: csc."""
    cdef char kind = _kind(data)
    cdef rl_svd_options options
    cdef int64_t m, n
    cdef int status, width, by_columns = csc
    m, n, width = _sparse(indptr, indices, data, shape, csc)
    real = numpy.empty(0, data.dtype).real.dtype
    U = numpy.empty((m, k), data.dtype)
    S = numpy.empty(k, real)
    Vh = numpy.empty((k, n), data.dtype)
    info = numpy.zeros(1, INFO)
    options.k = k
    options.oversamples = n_oversamples
    options.n_iter = n_iter
    options.stream.key = key
    options.stream.offset = offset
    cdef void *p = <void *><uintptr_t>indptr.ctypes.data
    cdef void *i = <void *><uintptr_t>indices.ctypes.data
    cdef void *a = <void *><uintptr_t>data.ctypes.data
    cdef void *u = <void *><uintptr_t>U.ctypes.data
    cdef void *s = <void *><uintptr_t>S.ctypes.data
    cdef void *v = <void *><uintptr_t>Vh.ctypes.data
    cdef rl_svd_info *report = <rl_svd_info *><uintptr_t>info.ctypes.data
    with nogil:
        if kind == c"f":
            status = rl_ssvd_rand_csr(&options, by_columns, m, n, p, i, width, <float *>a,
                                      <float *>u, k, <float *>s, <float *>v, n, report)
        elif kind == c"d":
            status = rl_dsvd_rand_csr(&options, by_columns, m, n, p, i, width, <double *>a,
                                      <double *>u, k, <double *>s, <double *>v, n, report)
        elif kind == c"F":
            status = rl_csvd_rand_csr(&options, by_columns, m, n, p, i, width, <floatcomplex *>a,
                                      <floatcomplex *>u, k, <float *>s, <floatcomplex *>v, n,
                                      report)
        else:
            status = rl_zsvd_rand_csr(&options, by_columns, m, n, p, i, width,
                                      <doublecomplex *>a, <doublecomplex *>u, k, <double *>s,
                                      <doublecomplex *>v, n, report)
    if status == RL_ERR_NOT_FINITE:
        raise NotFinite(0)
    if status == RL_ERR_OVERFLOW:
        raise Overflow(0)
    if status:
        raise_status(status)
    return U, S, Vh, _report(info, ())
