# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Binding of QR factorisations.  Q and R go out column-major: as C-contiguous transposes."""
from libc.stdint cimport int32_t, int64_t, uint64_t, uintptr_t

from randla._cpu.core import raise_status


cdef extern from "randla.h" nogil:
    ctypedef float floatcomplex "rl_complex_float"
    ctypedef double doublecomplex "rl_complex_double"
    ctypedef struct rl_stream:
        uint64_t key
        uint64_t offset
    ctypedef struct rl_qr_options:
        int32_t method
        int32_t complete
        int64_t k
        double rtol
        rl_stream stream
    ctypedef struct rl_qr_info:
        int32_t method
    int RL_QR_CQRRPT
    int RL_QR_CQRRT
    int RL_QR_BQRRP
    int RL_QR_HOUSEHOLDER
    int RL_QR_PLAIN
    int RL_QR_CHOLQR2
    int RL_QR_CHOLQR3
    int RL_ERR_NOT_FINITE
    int RL_ERR_OVERFLOW
    int rl_sqr_batch(const rl_qr_options *options, int64_t batch, char order, int64_t m, int64_t n,
                     const float *a, int64_t lda, int64_t stride_a, float *q, int64_t ldq,
                     int64_t stride_q, float *r, int64_t ldr, int64_t stride_r, int64_t *perm,
                     int64_t stride_perm, rl_qr_info *info, int64_t *failed)
    int rl_dqr_batch(const rl_qr_options *options, int64_t batch, char order, int64_t m, int64_t n,
                     const double *a, int64_t lda, int64_t stride_a, double *q, int64_t ldq,
                     int64_t stride_q, double *r, int64_t ldr, int64_t stride_r, int64_t *perm,
                     int64_t stride_perm, rl_qr_info *info, int64_t *failed)
    int rl_cqr_batch(const rl_qr_options *options, int64_t batch, char order, int64_t m, int64_t n,
                     const floatcomplex *a, int64_t lda, int64_t stride_a, floatcomplex *q,
                     int64_t ldq, int64_t stride_q, floatcomplex *r, int64_t ldr, int64_t stride_r,
                     int64_t *perm, int64_t stride_perm, rl_qr_info *info, int64_t *failed)
    int rl_zqr_batch(const rl_qr_options *options, int64_t batch, char order, int64_t m, int64_t n,
                     const doublecomplex *a, int64_t lda, int64_t stride_a, doublecomplex *q,
                     int64_t ldq, int64_t stride_q, doublecomplex *r, int64_t ldr,
                     int64_t stride_r, int64_t *perm, int64_t stride_perm, rl_qr_info *info,
                     int64_t *failed)


# paths, and their codes in C; two of LAPACK's, with and without pivots
METHODS = {
    "cqrrpt": RL_QR_CQRRPT, "cqrrt": RL_QR_CQRRT, "bqrrp": RL_QR_BQRRP,
    "householder": RL_QR_HOUSEHOLDER,
    "plain": RL_QR_PLAIN, "cholqr2": RL_QR_CHOLQR2, "cholqr3": RL_QR_CHOLQR3,
}
# layout of rl_qr_info
INFO = [("method", "i4"), ("attempts", "i4"), ("rank", "i8"), ("columns", "i8"), ("cond", "f8"),
        ("orth", "f8"), ("residual", "f8")]


class NotFinite(ValueError):
    """Matrix number `args[0]` has a NaN or an infinity."""


class Overflow(ValueError):
    """R of matrix number `args[0]` is beyond the range of its dtype."""


def qr(str char, int method, bint complete, int64_t k, double rtol, uint64_t key, uint64_t offset,
       a, q, r, perm, info):
    """Factorise each matrix of a, (batch, m, n), none of which is empty.

    Its rows or its columns are contiguous.  q: (batch, p, m), r: (batch, n, p), p = min(m, n);
    perm: (batch, n) int64, or None; info: one record of INFO for each matrix.
    """
    cdef rl_qr_options options
    cdef int64_t batch, m, n, p, lda, stride, size = a.itemsize, failed = -1
    cdef char order
    cdef int status
    cdef void *A = <void *><uintptr_t>a.ctypes.data
    cdef void *Q = <void *><uintptr_t>q.ctypes.data
    cdef void *R = <void *><uintptr_t>r.ctypes.data
    cdef int64_t *P = NULL
    cdef rl_qr_info *report = <rl_qr_info *><uintptr_t>info.ctypes.data
    batch, m, n = a.shape
    p = min(m, n)
    if q.shape != (batch, p, m) or r.shape != (batch, n, p) or info.shape != (batch,):
        raise ValueError("an output has the wrong shape")
    if not (q.flags.c_contiguous and r.flags.c_contiguous and info.flags.c_contiguous):
        raise ValueError("an output is not contiguous")
    if perm is not None:
        if perm.shape != (batch, n) or not perm.flags.c_contiguous:
            raise ValueError("perm has the wrong shape")
        P = <int64_t *><uintptr_t>perm.ctypes.data
    stride = a.strides[0] // size
    if a.strides[2] == size or n == 1:
        order, lda = c"C", max(a.strides[1] // size, n)
    elif a.strides[1] == size or m == 1:
        order, lda = c"F", max(a.strides[2] // size, m)
    else:
        raise ValueError("neither rows nor columns are contiguous")
    options.method = method
    options.complete = complete
    options.k = k
    options.rtol = rtol
    options.stream.key = key
    options.stream.offset = offset
    cdef char kind = ord(char)
    with nogil:
        if kind == c"f":
            status = rl_sqr_batch(&options, batch, order, m, n, <const float *>A, lda, stride,
                                  <float *>Q, m, m * p, <float *>R, p, p * n, P, n, report,
                                  &failed)
        elif kind == c"d":
            status = rl_dqr_batch(&options, batch, order, m, n, <const double *>A, lda, stride,
                                  <double *>Q, m, m * p, <double *>R, p, p * n, P, n, report,
                                  &failed)
        elif kind == c"F":
            status = rl_cqr_batch(&options, batch, order, m, n, <const floatcomplex *>A, lda,
                                  stride, <floatcomplex *>Q, m, m * p, <floatcomplex *>R, p, p * n,
                                  P, n, report, &failed)
        else:
            status = rl_zqr_batch(&options, batch, order, m, n, <const doublecomplex *>A, lda,
                                  stride, <doublecomplex *>Q, m, m * p, <doublecomplex *>R, p,
                                  p * n, P, n, report, &failed)
    if status == RL_ERR_NOT_FINITE:
        raise NotFinite(failed)
    if status == RL_ERR_OVERFLOW:
        raise Overflow(failed)
    if status:
        raise_status(status)
