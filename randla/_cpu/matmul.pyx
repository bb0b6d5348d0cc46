# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Binding of products by bilinear schemes.  Any matrix with one unit stride goes in as it is."""
from libc.stdint cimport int32_t, int64_t

from randla._cpu.core import raise_status


ctypedef float complex floatcomplex
ctypedef double complex doublecomplex


cdef extern from "Python.h":
    int PyBUF_STRIDES
    int PyBUF_WRITABLE
    int PyObject_GetBuffer(object x, Py_buffer *view, int flags) except -1
    void PyBuffer_Release(Py_buffer *view)


cdef extern from "randla.h" nogil:
    ctypedef struct rl_matmul_info:
        int32_t scheme
        int32_t levels
        int64_t workspace
    ctypedef struct rl_matmul_scheme:
        const char *name
    int RL_MATMUL_AUTO
    int RL_MATMUL_CLASSICAL
    int RL_MATMUL_3M
    int rl_matmul_get_scheme(int i, rl_matmul_scheme *scheme)
    int rl_matmul_get_crossover(char type, int threads, int64_t c[2])
    int rl_matmul_set_crossover(char type, int threads, const int64_t c[2])
    int rl_smatmul(char ta, char tb, char tc, int64_t m, int64_t n, int64_t k, float alpha,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                   int64_t ldc, int scheme, int levels, float *work, int64_t lwork,
                   rl_matmul_info *info)
    int rl_dmatmul(char ta, char tb, char tc, int64_t m, int64_t n, int64_t k, double alpha,
                   const double *a, int64_t lda, const double *b, int64_t ldb, double beta,
                   double *c, int64_t ldc, int scheme, int levels, double *work, int64_t lwork,
                   rl_matmul_info *info)
    int rl_cmatmul(char ta, char tb, char tc, int64_t m, int64_t n, int64_t k, float alpha,
                   const floatcomplex *a, int64_t lda, const floatcomplex *b, int64_t ldb,
                   float beta, floatcomplex *c, int64_t ldc, int scheme, int levels,
                   floatcomplex *work, int64_t lwork, rl_matmul_info *info)
    int rl_zmatmul(char ta, char tb, char tc, int64_t m, int64_t n, int64_t k, double alpha,
                   const doublecomplex *a, int64_t lda, const doublecomplex *b, int64_t ldb,
                   double beta, doublecomplex *c, int64_t ldc, int scheme, int levels,
                   doublecomplex *work, int64_t lwork, rl_matmul_info *info)


AUTO = RL_MATMUL_AUTO
CLASSICAL = RL_MATMUL_CLASSICAL
THREE_M = RL_MATMUL_3M


def schemes():
    """Names of all schemes; a scheme's number is its place."""
    cdef rl_matmul_scheme s
    found = []
    while rl_matmul_get_scheme(<int>len(found), &s) == 0:
        found.append(s.name.decode())
    return found


def crossover(str type, int threads):
    """Least sides for one and for two levels; type: one of s d c z."""
    cdef int64_t c[2]
    cdef int status = rl_matmul_get_crossover(<char>ord(type), threads, c)
    if status:
        raise_status(status)
    return c[0], c[1]


def set_crossover(str type, int threads, values):
    """Override them; None: as shipped."""
    cdef int64_t c[2]
    cdef int status
    if values is None:
        status = rl_matmul_set_crossover(<char>ord(type), threads, NULL)
    else:
        c[0], c[1] = values
        status = rl_matmul_set_crossover(<char>ord(type), threads, c)
    if status:
        raise_status(status)


cdef int64_t leading(Py_buffer *x, char *trans) except -1:
    """How a matrix lies in memory: columns or rows together, and the distance of the others."""
    cdef int64_t rows = x.shape[0], cols = x.shape[1], item = x.itemsize
    cdef int64_t down = x.strides[0], across = x.strides[1]
    if (across == item or cols == 1) and (rows == 1 or (down >= cols * item and down % item == 0)):
        trans[0] = c'T'
        return cols if rows == 1 else down // item
    if (down == item or rows == 1) and \
            (cols == 1 or (across >= rows * item and across % item == 0)):
        trans[0] = c'N'
        return rows if cols == 1 else across // item
    raise ValueError("a matrix needs one unit stride")


def product(str type, a, b, c, int scheme, int levels):
    """C = A B of matrices of one type (s d c z), not empty; returns scheme, levels, bytes."""
    cdef Py_buffer x, y, z
    cdef char ta = 0, tb = 0, tc = 0, letter = <char>ord(type)
    cdef int64_t m, n, k, lda, ldb, ldc
    cdef rl_matmul_info info
    cdef int status = 0
    PyObject_GetBuffer(a, &x, PyBUF_STRIDES)
    try:
        PyObject_GetBuffer(b, &y, PyBUF_STRIDES)
        try:
            PyObject_GetBuffer(c, &z, PyBUF_STRIDES | PyBUF_WRITABLE)
            try:
                if x.ndim != 2 or y.ndim != 2 or z.ndim != 2:
                    raise ValueError("matrices have two dimensions")
                m, k, n = x.shape[0], x.shape[1], y.shape[1]
                if y.shape[0] != k or z.shape[0] != m or z.shape[1] != n:
                    raise ValueError("shapes do not fit")
                if x.itemsize != y.itemsize or x.itemsize != z.itemsize or \
                        x.itemsize != {"s": 4, "d": 8, "c": 8, "z": 16}[type]:
                    raise ValueError("types do not fit")
                lda, ldb, ldc = leading(&x, &ta), leading(&y, &tb), leading(&z, &tc)
                with nogil:
                    if letter == c's':
                        status = rl_smatmul(ta, tb, tc, m, n, k, 1, <const float *>x.buf, lda,
                                            <const float *>y.buf, ldb, 0, <float *>z.buf, ldc,
                                            scheme, levels, NULL, 0, &info)
                    elif letter == c'd':
                        status = rl_dmatmul(ta, tb, tc, m, n, k, 1, <const double *>x.buf, lda,
                                            <const double *>y.buf, ldb, 0, <double *>z.buf, ldc,
                                            scheme, levels, NULL, 0, &info)
                    elif letter == c'c':
                        status = rl_cmatmul(ta, tb, tc, m, n, k, 1, <const floatcomplex *>x.buf,
                                            lda, <const floatcomplex *>y.buf, ldb, 0,
                                            <floatcomplex *>z.buf, ldc, scheme, levels, NULL, 0,
                                            &info)
                    else:
                        status = rl_zmatmul(ta, tb, tc, m, n, k, 1, <const doublecomplex *>x.buf,
                                            lda, <const doublecomplex *>y.buf, ldb, 0,
                                            <doublecomplex *>z.buf, ldc, scheme, levels, NULL, 0,
                                            &info)
            finally:
                PyBuffer_Release(&z)
        finally:
            PyBuffer_Release(&y)
    finally:
        PyBuffer_Release(&x)
    if status:
        raise_status(status)
    return info.scheme, info.levels, info.workspace
