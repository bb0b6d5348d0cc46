# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Binding of what iterative least squares are made of.  Blocks of vectors are column-major."""
from libc.stdint cimport int64_t, uintptr_t

from randla._cpu.core import raise_status


cdef extern from "randla.h" nogil:
    ctypedef float floatcomplex "rl_complex_float"
    ctypedef double doublecomplex "rl_complex_double"
    int rl_snormal_product(char order, int64_t m, int64_t n, int64_t columns, const float *a,
                           int64_t lda, const float *v, int64_t ldv, float *w, int64_t ldw)
    int rl_dnormal_product(char order, int64_t m, int64_t n, int64_t columns, const double *a,
                           int64_t lda, const double *v, int64_t ldv, double *w, int64_t ldw)
    int rl_cnormal_product(char order, int64_t m, int64_t n, int64_t columns,
                           const floatcomplex *a, int64_t lda, const floatcomplex *v, int64_t ldv,
                           floatcomplex *w, int64_t ldw)
    int rl_znormal_product(char order, int64_t m, int64_t n, int64_t columns,
                           const doublecomplex *a, int64_t lda, const doublecomplex *v,
                           int64_t ldv, doublecomplex *w, int64_t ldw)
    int rl_striangular_solve(char op, int64_t n, int64_t columns, const float *r, int64_t ldr,
                             float *x, int64_t ldx)
    int rl_dtriangular_solve(char op, int64_t n, int64_t columns, const double *r, int64_t ldr,
                             double *x, int64_t ldx)
    int rl_ctriangular_solve(char op, int64_t n, int64_t columns, const floatcomplex *r,
                             int64_t ldr, floatcomplex *x, int64_t ldx)
    int rl_ztriangular_solve(char op, int64_t n, int64_t columns, const doublecomplex *r,
                             int64_t ldr, doublecomplex *x, int64_t ldx)


def normal_product(str char, a, v, w):
    """w = a^H (a v) for a (m, n), of which rows or columns are contiguous; v, w: (p, n), packed.

    v and w are transposes: each vector is contiguous.
    """
    cdef int64_t m, n, columns, lda, size = a.itemsize
    cdef char order, kind = ord(char)
    cdef int status
    cdef void *A = <void *><uintptr_t>a.ctypes.data
    cdef void *V = <void *><uintptr_t>v.ctypes.data
    cdef void *W = <void *><uintptr_t>w.ctypes.data
    m, n = a.shape
    columns = v.shape[0]
    if v.shape != (columns, n) or w.shape != v.shape:
        raise ValueError("blocks of vectors have the wrong shape")
    if not (v.flags.c_contiguous and w.flags.c_contiguous):
        raise ValueError("blocks of vectors are not contiguous")
    if a.strides[1] == size or n == 1:
        order, lda = c"C", max(a.strides[0] // size, n)
    elif a.strides[0] == size or m == 1:
        order, lda = c"F", max(a.strides[1] // size, m)
    else:
        raise ValueError("neither rows nor columns are contiguous")
    with nogil:
        if kind == c"f":
            status = rl_snormal_product(order, m, n, columns, <const float *>A, lda,
                                        <const float *>V, n, <float *>W, n)
        elif kind == c"d":
            status = rl_dnormal_product(order, m, n, columns, <const double *>A, lda,
                                        <const double *>V, n, <double *>W, n)
        elif kind == c"F":
            status = rl_cnormal_product(order, m, n, columns, <const floatcomplex *>A, lda,
                                        <const floatcomplex *>V, n, <floatcomplex *>W, n)
        else:
            status = rl_znormal_product(order, m, n, columns, <const doublecomplex *>A, lda,
                                        <const doublecomplex *>V, n, <doublecomplex *>W, n)
    if status:
        raise_status(status)


def triangular_solve(str char, bint adjoint, r, x):
    """x <- R^-1 x, or R^-H x, in place; r: (n, n), the transpose of R, packed; x: (p, n), packed.

    x is a transpose: each vector is contiguous.
    """
    cdef int64_t n = r.shape[0], columns = x.shape[0]
    cdef char kind = ord(char), op = c"C" if adjoint else c"N"
    cdef int status
    cdef void *R = <void *><uintptr_t>r.ctypes.data
    cdef void *X = <void *><uintptr_t>x.ctypes.data
    if r.shape != (n, n) or x.shape != (columns, n):
        raise ValueError("the triangle or the vectors have the wrong shape")
    if not (r.flags.c_contiguous and x.flags.c_contiguous):
        raise ValueError("the triangle or the vectors are not contiguous")
    cdef int64_t ld = max(n, 1)
    with nogil:
        if kind == c"f":
            status = rl_striangular_solve(op, n, columns, <const float *>R, ld, <float *>X, ld)
        elif kind == c"d":
            status = rl_dtriangular_solve(op, n, columns, <const double *>R, ld, <double *>X, ld)
        elif kind == c"F":
            status = rl_ctriangular_solve(op, n, columns, <const floatcomplex *>R, ld,
                                          <floatcomplex *>X, ld)
        else:
            status = rl_ztriangular_solve(op, n, columns, <const doublecomplex *>R, ld,
                                          <doublecomplex *>X, ld)
    if status:
        raise_status(status)
