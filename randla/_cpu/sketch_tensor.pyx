# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Binding of TensorSketch.  Samples are the rows of matrices, of any strides."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free

from randla._cpu.core import raise_status


cdef extern from "randla.h" nogil:
    ctypedef struct rl_stream:
        uint64_t key
        uint64_t offset
    ctypedef struct rl_stensor_factor:
        int64_t m
        const float *x
        int64_t incx
        int64_t ldx
        float scale
        float constant
        float *gx
        int64_t incg
        int64_t ldg
    ctypedef struct rl_dtensor_factor:
        int64_t m
        const double *x
        int64_t incx
        int64_t ldx
        double scale
        double constant
        double *gx
        int64_t incg
        int64_t ldg
    int rl_tensor_codes(rl_stream stream, int64_t d, int64_t g, int64_t first, int64_t count,
                        int32_t *codes)
    int rl_stensor(rl_stream stream, int64_t d, int64_t samples, int64_t factors,
                   const rl_stensor_factor *factor, float *y, int64_t incy, int64_t ldy)
    int rl_dtensor(rl_stream stream, int64_t d, int64_t samples, int64_t factors,
                   const rl_dtensor_factor *factor, double *y, int64_t incy, int64_t ldy)
    int rl_stensor_csr(rl_stream stream, int64_t d, int64_t samples, int64_t factors,
                       const rl_stensor_factor *factor, const void *pointers, const void *indices,
                       int index_bytes, const float *data, float *y, int64_t incy, int64_t ldy)
    int rl_dtensor_csr(rl_stream stream, int64_t d, int64_t samples, int64_t factors,
                       const rl_dtensor_factor *factor, const void *pointers, const void *indices,
                       int index_bytes, const double *data, double *y, int64_t incy, int64_t ldy)
    int rl_stensor_vjp(rl_stream stream, int64_t d, int64_t samples, int64_t factors,
                       const rl_stensor_factor *factor, const float *v, int64_t incv, int64_t ldv)
    int rl_dtensor_vjp(rl_stream stream, int64_t d, int64_t samples, int64_t factors,
                       const rl_dtensor_factor *factor, const double *v, int64_t incv, int64_t ldv)


ctypedef fused real:
    float
    double

ctypedef fused index:
    int32_t
    int64_t


def codes(uint64_t key, uint64_t offset, int64_t d, int64_t factor, int32_t[::1] out):
    """bucket << 1 | negative for the features of a factor; out: not empty."""
    cdef rl_stream stream = rl_stream(key, offset)
    cdef int status = rl_tensor_codes(stream, d, factor, 0, out.shape[0], &out[0])
    if status:
        raise_status(status)


cdef fill(rl_stensor_factor *s, rl_dtensor_factor *d, real[:, :] type_of, list xs, list gs,
          list constants, double scale):
    """The factors; None: the samples, and the gradient, of the one before."""
    cdef const real[:, :] x
    cdef real[:, :] g
    cdef Py_ssize_t i
    for i in range(len(xs)):
        if real is float:
            if i:
                s[i] = s[i - 1]
                s[i].x = NULL
                s[i].gx = NULL
            s[i].scale = <float>scale
            s[i].constant = <float><double>constants[i]
            if xs[i] is not None:
                x = xs[i]
                s[i].m = x.shape[1]
                s[i].x = &x[0, 0]
                s[i].incx = x.strides[1] // <Py_ssize_t>sizeof(real)
                s[i].ldx = x.strides[0] // <Py_ssize_t>sizeof(real)
            if gs is not None and gs[i] is not None:
                g = gs[i]
                s[i].gx = &g[0, 0]
                s[i].incg = g.strides[1] // <Py_ssize_t>sizeof(real)
                s[i].ldg = g.strides[0] // <Py_ssize_t>sizeof(real)
        else:
            if i:
                d[i] = d[i - 1]
                d[i].x = NULL
                d[i].gx = NULL
            d[i].scale = scale
            d[i].constant = <double>constants[i]
            if xs[i] is not None:
                x = xs[i]
                d[i].m = x.shape[1]
                d[i].x = &x[0, 0]
                d[i].incx = x.strides[1] // <Py_ssize_t>sizeof(real)
                d[i].ldx = x.strides[0] // <Py_ssize_t>sizeof(real)
            if gs is not None and gs[i] is not None:
                g = gs[i]
                d[i].gx = &g[0, 0]
                d[i].incg = g.strides[1] // <Py_ssize_t>sizeof(real)
                d[i].ldg = g.strides[0] // <Py_ssize_t>sizeof(real)


def apply(uint64_t key, uint64_t offset, list xs, double scale, list constants, real[:, :] y):
    """Row i of y: TensorSketch of the rows i of xs, none of which is empty.

    xs: matrices, one for each factor, or None for that of the factor before.  constants: a feature
    that follows those of each.  y (n, d).  Strides are multiples of the item size.
    """
    cdef Py_ssize_t factors = len(xs)
    cdef rl_stream stream = rl_stream(key, offset)
    cdef int64_t n = y.shape[0], d = y.shape[1]
    cdef int64_t inc = y.strides[1] // <Py_ssize_t>sizeof(real)
    cdef int64_t ld = y.strides[0] // <Py_ssize_t>sizeof(real)
    cdef rl_stensor_factor *sf = NULL
    cdef rl_dtensor_factor *df = NULL
    cdef int status
    try:
        if real is float:
            sf = <rl_stensor_factor *>calloc(factors, sizeof(rl_stensor_factor))
            if sf is NULL:
                raise MemoryError
            fill(sf, df, y, xs, None, constants, scale)
            with nogil:
                status = rl_stensor(stream, d, n, factors, sf, &y[0, 0], inc, ld)
        else:
            df = <rl_dtensor_factor *>calloc(factors, sizeof(rl_dtensor_factor))
            if df is NULL:
                raise MemoryError
            fill(sf, df, y, xs, None, constants, scale)
            with nogil:
                status = rl_dtensor(stream, d, n, factors, df, &y[0, 0], inc, ld)
    finally:
        free(sf)
        free(df)
    if status:
        raise_status(status)


def vjp(uint64_t key, uint64_t offset, list xs, double scale, list constants, real[:, :] v,
        list gs):
    """From the gradient v by y to those by xs, into gs, a matrix or None for each factor.

    None: it is added to that of the factor before.
    """
    cdef Py_ssize_t factors = len(xs)
    cdef rl_stream stream = rl_stream(key, offset)
    cdef int64_t n = v.shape[0], d = v.shape[1]
    cdef int64_t inc = v.strides[1] // <Py_ssize_t>sizeof(real)
    cdef int64_t ld = v.strides[0] // <Py_ssize_t>sizeof(real)
    cdef rl_stensor_factor *sf = NULL
    cdef rl_dtensor_factor *df = NULL
    cdef int status
    try:
        if real is float:
            sf = <rl_stensor_factor *>calloc(factors, sizeof(rl_stensor_factor))
            if sf is NULL:
                raise MemoryError
            fill(sf, df, v, xs, gs, constants, scale)
            with nogil:
                status = rl_stensor_vjp(stream, d, n, factors, sf, &v[0, 0], inc, ld)
        else:
            df = <rl_dtensor_factor *>calloc(factors, sizeof(rl_dtensor_factor))
            if df is NULL:
                raise MemoryError
            fill(sf, df, v, xs, gs, constants, scale)
            with nogil:
                status = rl_dtensor_vjp(stream, d, n, factors, df, &v[0, 0], inc, ld)
    finally:
        free(sf)
        free(df)
    if status:
        raise_status(status)


def csr(uint64_t key, uint64_t offset, int64_t factors, int64_t m, const index[::1] pointers,
        const index[::1] indices, const real[::1] data, double scale, double constant,
        real[:, :] y):
    """The same for the rows of a CSR matrix, which all factors share; y: not empty."""
    cdef rl_stream stream = rl_stream(key, offset)
    cdef int64_t n = y.shape[0], d = y.shape[1]
    cdef int64_t inc = y.strides[1] // <Py_ssize_t>sizeof(real)
    cdef int64_t ld = y.strides[0] // <Py_ssize_t>sizeof(real)
    cdef const index *at = NULL
    cdef const real *entries = NULL
    cdef rl_stensor_factor sf
    cdef rl_dtensor_factor df
    cdef int status
    if data.shape[0] > 0:
        at = &indices[0]
        entries = &data[0]
    if real is float:
        sf = rl_stensor_factor(m, NULL, 0, 0, <float>scale, <float>constant, NULL, 0, 0)
        with nogil:
            status = rl_stensor_csr(stream, d, n, factors, &sf, &pointers[0], at, sizeof(index),
                                    entries, &y[0, 0], inc, ld)
    else:
        df = rl_dtensor_factor(m, NULL, 0, 0, scale, constant, NULL, 0, 0)
        with nogil:
            status = rl_dtensor_csr(stream, d, n, factors, &df, &pointers[0], at, sizeof(index),
                                    entries, &y[0, 0], inc, ld)
    if status:
        raise_status(status)
