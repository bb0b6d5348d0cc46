# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Binding of the matrix exponential.  Row-major A goes in as A^T: exp(A^T) = exp(A)^T."""
from libc.stdint cimport int32_t, int64_t, uintptr_t

from randla._cpu.core import raise_status


ctypedef float complex floatcomplex
ctypedef double complex doublecomplex


cdef extern from "randla.h" nogil:
    ctypedef struct rl_expm_info:
        int32_t order
        int32_t scaling
        int32_t products
        int32_t reserved
        double error_bound
    int RL_EXPM_GENERAL
    int RL_EXPM_HERMITIAN
    int RL_EXPM_SKEW
    int RL_EXPM_TRIANGULAR
    int RL_EXPM_METZLER
    int rl_sexpm(int64_t batch, int64_t n, const float *a, int64_t lda, int64_t stride_a,
                 double tol, int assume, float *e, int64_t lde, int64_t stride_e,
                 rl_expm_info *info, int64_t *failed)
    int rl_dexpm(int64_t batch, int64_t n, const double *a, int64_t lda, int64_t stride_a,
                 double tol, int assume, double *e, int64_t lde, int64_t stride_e,
                 rl_expm_info *info, int64_t *failed)
    int rl_cexpm(int64_t batch, int64_t n, const floatcomplex *a, int64_t lda, int64_t stride_a,
                 double tol, int assume, floatcomplex *e, int64_t lde, int64_t stride_e,
                 rl_expm_info *info, int64_t *failed)
    int rl_zexpm(int64_t batch, int64_t n, const doublecomplex *a, int64_t lda, int64_t stride_a,
                 double tol, int assume, doublecomplex *e, int64_t lde, int64_t stride_e,
                 rl_expm_info *info, int64_t *failed)
    int rl_sexpm_frechet(int64_t batch, int64_t n, const float *a, int64_t lda, int64_t stride_a,
                         const float *d, int64_t ldd, int64_t stride_d, double tol, float *e,
                         int64_t lde, int64_t stride_e, float *l, int64_t ldl, int64_t stride_l)
    int rl_sexpm_vjp(int64_t batch, int64_t n, const float *a, int64_t lda, int64_t stride_a,
                     const float *g, int64_t ldg, int64_t stride_g, double tol, float *x,
                     int64_t ldx, int64_t stride_x)
    int rl_dexpm_frechet(int64_t batch, int64_t n, const double *a, int64_t lda, int64_t stride_a,
                         const double *d, int64_t ldd, int64_t stride_d, double tol, double *e,
                         int64_t lde, int64_t stride_e, double *l, int64_t ldl, int64_t stride_l)
    int rl_dexpm_vjp(int64_t batch, int64_t n, const double *a, int64_t lda, int64_t stride_a,
                     const double *g, int64_t ldg, int64_t stride_g, double tol, double *x,
                     int64_t ldx, int64_t stride_x)
    int rl_cexpm_frechet(int64_t batch, int64_t n, const floatcomplex *a, int64_t lda,
                         int64_t stride_a, const floatcomplex *d, int64_t ldd, int64_t stride_d,
                         double tol, floatcomplex *e, int64_t lde, int64_t stride_e,
                         floatcomplex *l, int64_t ldl, int64_t stride_l)
    int rl_cexpm_vjp(int64_t batch, int64_t n, const floatcomplex *a, int64_t lda, int64_t stride_a,
                     const floatcomplex *g, int64_t ldg, int64_t stride_g, double tol,
                     floatcomplex *x, int64_t ldx, int64_t stride_x)
    int rl_zexpm_frechet(int64_t batch, int64_t n, const doublecomplex *a, int64_t lda,
                         int64_t stride_a, const doublecomplex *d, int64_t ldd, int64_t stride_d,
                         double tol, doublecomplex *e, int64_t lde, int64_t stride_e,
                         doublecomplex *l, int64_t ldl, int64_t stride_l)
    int rl_zexpm_vjp(int64_t batch, int64_t n, const doublecomplex *a, int64_t lda,
                     int64_t stride_a, const doublecomplex *g, int64_t ldg, int64_t stride_g,
                     double tol, doublecomplex *x, int64_t ldx, int64_t stride_x)
    int rl_sphi(int64_t batch, int64_t n, int k, const float *a, int64_t lda, int64_t stride_a,
                double tol, float *f, int64_t ldf, int64_t stride_f, rl_expm_info *info)
    int rl_sphi_vjp(int64_t batch, int64_t n, int k, const float *a, int64_t lda,
                    int64_t stride_a, const float *g, int64_t ldg, int64_t stride_g,
                    double tol, float *x, int64_t ldx, int64_t stride_x)
    int rl_dphi(int64_t batch, int64_t n, int k, const double *a, int64_t lda, int64_t stride_a,
                double tol, double *f, int64_t ldf, int64_t stride_f, rl_expm_info *info)
    int rl_dphi_vjp(int64_t batch, int64_t n, int k, const double *a, int64_t lda,
                    int64_t stride_a, const double *g, int64_t ldg, int64_t stride_g,
                    double tol, double *x, int64_t ldx, int64_t stride_x)
    int rl_cphi(int64_t batch, int64_t n, int k, const floatcomplex *a, int64_t lda,
                int64_t stride_a, double tol, floatcomplex *f, int64_t ldf, int64_t stride_f,
                rl_expm_info *info)
    int rl_cphi_vjp(int64_t batch, int64_t n, int k, const floatcomplex *a, int64_t lda,
                    int64_t stride_a, const floatcomplex *g, int64_t ldg, int64_t stride_g,
                    double tol, floatcomplex *x, int64_t ldx, int64_t stride_x)
    int rl_zphi(int64_t batch, int64_t n, int k, const doublecomplex *a, int64_t lda,
                int64_t stride_a, double tol, doublecomplex *f, int64_t ldf, int64_t stride_f,
                rl_expm_info *info)
    int rl_zphi_vjp(int64_t batch, int64_t n, int k, const doublecomplex *a, int64_t lda,
                    int64_t stride_a, const doublecomplex *g, int64_t ldg, int64_t stride_g,
                    double tol, doublecomplex *x, int64_t ldx, int64_t stride_x)
    int rl_sphi_select(int64_t count, int k, const double *norm_a, const double *norm_a2,
                       double tol, rl_expm_info *info)
    int rl_dphi_select(int64_t count, int k, const double *norm_a, const double *norm_a2,
                       double tol, rl_expm_info *info)
    ctypedef struct rl_expm_multiply_info:
        int32_t order
        int32_t steps
        int32_t products
        int32_t reserved
        double error_bound
    int rl_sexpm_multiply(int64_t batch, char side, int64_t n, int64_t p, const float *a,
                          int64_t lda, int64_t stride_a, const float *b, int64_t ldb,
                          int64_t stride_b, double tol, float *y, int64_t ldy, int64_t stride_y,
                          rl_expm_multiply_info *info)
    int rl_sexpm_multiply_vjp(int64_t batch, char side, int64_t n, int64_t p, const float *a,
                              int64_t lda, int64_t stride_a, const float *b, int64_t ldb,
                              int64_t stride_b, const float *g, int64_t ldg, int64_t stride_g,
                              double tol, float *xa, int64_t ldxa, int64_t stride_xa, float *xb,
                              int64_t ldxb, int64_t stride_xb)
    int rl_dexpm_multiply(int64_t batch, char side, int64_t n, int64_t p, const double *a,
                          int64_t lda, int64_t stride_a, const double *b, int64_t ldb,
                          int64_t stride_b, double tol, double *y, int64_t ldy, int64_t stride_y,
                          rl_expm_multiply_info *info)
    int rl_dexpm_multiply_vjp(int64_t batch, char side, int64_t n, int64_t p, const double *a,
                              int64_t lda, int64_t stride_a, const double *b, int64_t ldb,
                              int64_t stride_b, const double *g, int64_t ldg, int64_t stride_g,
                              double tol, double *xa, int64_t ldxa, int64_t stride_xa, double *xb,
                              int64_t ldxb, int64_t stride_xb)
    int rl_cexpm_multiply(int64_t batch, char side, int64_t n, int64_t p, const floatcomplex *a,
                          int64_t lda, int64_t stride_a, const floatcomplex *b, int64_t ldb,
                          int64_t stride_b, double tol, floatcomplex *y, int64_t ldy,
                          int64_t stride_y, rl_expm_multiply_info *info)
    int rl_cexpm_multiply_vjp(int64_t batch, char side, int64_t n, int64_t p, const floatcomplex *a,
                              int64_t lda, int64_t stride_a, const floatcomplex *b, int64_t ldb,
                              int64_t stride_b, const floatcomplex *g, int64_t ldg,
                              int64_t stride_g, double tol, floatcomplex *xa, int64_t ldxa,
                              int64_t stride_xa, floatcomplex *xb, int64_t ldxb, int64_t stride_xb)
    int rl_zexpm_multiply(int64_t batch, char side, int64_t n, int64_t p, const doublecomplex *a,
                          int64_t lda, int64_t stride_a, const doublecomplex *b, int64_t ldb,
                          int64_t stride_b, double tol, doublecomplex *y, int64_t ldy,
                          int64_t stride_y, rl_expm_multiply_info *info)
    int rl_zexpm_multiply_vjp(int64_t batch, char side, int64_t n, int64_t p,
                              const doublecomplex *a, int64_t lda, int64_t stride_a,
                              const doublecomplex *b, int64_t ldb, int64_t stride_b,
                              const doublecomplex *g, int64_t ldg, int64_t stride_g, double tol,
                              doublecomplex *xa, int64_t ldxa, int64_t stride_xa, doublecomplex *xb,
                              int64_t ldxb, int64_t stride_xb)
    int rl_sspmm(int64_t n, int64_t p, const void *pointers, const void *indices, int index_bytes,
                 const float *a, const double *scalars, const float *x, const float *z, float *y,
                 float *w)
    int rl_dspmm(int64_t n, int64_t p, const void *pointers, const void *indices, int index_bytes,
                 const double *a, const double *scalars, const double *x, const double *z,
                 double *y, double *w)
    int rl_cspmm(int64_t n, int64_t p, const void *pointers, const void *indices, int index_bytes,
                 const floatcomplex *a, const double *scalars, const floatcomplex *x,
                 const floatcomplex *z, floatcomplex *y, floatcomplex *w)
    int rl_zspmm(int64_t n, int64_t p, const void *pointers, const void *indices, int index_bytes,
                 const doublecomplex *a, const double *scalars, const doublecomplex *x,
                 const doublecomplex *z, doublecomplex *y, doublecomplex *w)
    int rl_sspmm_survey(int64_t n, int64_t entries, const void *pointers, const void *indices,
                        int index_bytes, const float *a, double *diagonal, double *rows,
                        double *columns, double *hermitian, int *flags)
    int rl_dspmm_survey(int64_t n, int64_t entries, const void *pointers, const void *indices,
                        int index_bytes, const double *a, double *diagonal, double *rows,
                        double *columns, double *hermitian, int *flags)
    int rl_cspmm_survey(int64_t n, int64_t entries, const void *pointers, const void *indices,
                        int index_bytes, const floatcomplex *a, doublecomplex *diagonal,
                        double *rows, double *columns, double *hermitian, int *flags)
    int rl_zspmm_survey(int64_t n, int64_t entries, const void *pointers, const void *indices,
                        int index_bytes, const doublecomplex *a, doublecomplex *diagonal,
                        double *rows, double *columns, double *hermitian, int *flags)
    int RL_SPMM_TILE
    int rl_spmm_offsets(int64_t n, const void *pointers, const void *indices, int index_bytes,
                        int64_t most, int64_t *offsets, int64_t *count)
    int rl_sspmm_tiles(int64_t n, const void *pointers, const void *indices, int index_bytes,
                       const float *a, int64_t count, const int64_t *offsets, float *tiles)
    int rl_dspmm_tiles(int64_t n, const void *pointers, const void *indices, int index_bytes,
                       const double *a, int64_t count, const int64_t *offsets, double *tiles)
    int rl_sspmm_tiled(int64_t n, int64_t p, int64_t count, const int64_t *offsets,
                       const float *tiles, const double *scalars, const float *x, const float *z,
                       float *y, float *w)
    int rl_dspmm_tiled(int64_t n, int64_t p, int64_t count, const int64_t *offsets,
                       const double *tiles, const double *scalars, const double *x,
                       const double *z, double *y, double *w)
    int RL_SPMM_VALID
    int RL_SPMM_CANONICAL
    int RL_SPMM_FINITE
    int RL_SPMM_HERMITIAN
    int RL_SPMM_SKEW
    int rl_sexpm_select(int64_t count, const double *norm_a, const double *norm_a2, double tol,
                        int derivative, rl_expm_info *info)
    int rl_dexpm_select(int64_t count, const double *norm_a, const double *norm_a2, double tol,
                        int derivative, rl_expm_info *info)
    int rl_expm_get_rule(int single, double tol, int derivative, rl_expm_rule *rule)
    int rl_action_get_rule(int single, double tol, int derivative, rl_action_rule *rule)

cdef extern from "randla/device/expm_rule.h" nogil:
    ctypedef struct rl_expm_rule:
        int top
    int RL_EXPM_ORDERS
    int RL_EXPM_SHARED
    int RL_EXPM_TERMS
    const int rl_expm_order[]
    const int rl_expm_products[]
    const double rl_expm_shared[][20]

cdef extern from "randla/device/expm_action_rule.h" nogil:
    ctypedef struct rl_action_rule:
        int top

cdef extern from "randla/device/expm_phi_rule.h" nogil:
    int PHI_MAX "RL_PHI_MAX"
    int RL_PHI_ORDERS
    const int rl_phi_order[]
    const int rl_phi_block[]
    const double rl_phi1_shared[][20]


# names of `assume`, and their codes in C
ASSUME = {
    None: RL_EXPM_GENERAL,
    "hermitian": RL_EXPM_HERMITIAN,
    "skew": RL_EXPM_SKEW,
    "triangular": RL_EXPM_TRIANGULAR,
    "metzler": RL_EXPM_METZLER,
}
# order -> (coefficients C0 ... C19 of the formula that all orders share, products)
SCHEMES = {
    rl_expm_order[i]: ([rl_expm_shared[i][j] for j in range(RL_EXPM_SHARED)], rl_expm_products[i])
    for i in range(RL_EXPM_ORDERS)
}
# the same for phi_1; and degree -> block of the polynomials of the other phi_k
PHI1_SCHEMES = {
    rl_expm_order[i]: [rl_phi1_shared[i][j] for j in range(RL_EXPM_SHARED)]
    for i in range(RL_EXPM_ORDERS - 1)
}
PHI_BLOCKS = {rl_phi_order[i]: rl_phi_block[i] for i in range(RL_PHI_ORDERS)}
MAX_K = PHI_MAX
# layout of rl_expm_info
INFO = [("order", "i4"), ("scaling", "i4"), ("products", "i4"), ("reserved", "i4"),
        ("error_bound", "f8")]


class BrokenPromise(ValueError):
    """Matrix number `args[0]` does not have the structure that `assume` promises."""


cdef _check(int status, int64_t failed):
    if status:
        if failed >= 0:
            raise BrokenPromise(failed)
        raise_status(status)


# Arrays come in by the buffer protocol: a typed memoryview costs half a microsecond more, as long
# as a small exponential.  So do fused signatures, which is why each dtype has its function.
cdef extern from "Python.h":
    int PyBUF_C_CONTIGUOUS
    int PyBUF_WRITABLE
    int PyObject_GetBuffer(object x, Py_buffer *view, int flags) except -1
    void PyBuffer_Release(Py_buffer *view)


cdef object _run(char dtype, object a, object e, int64_t n, double tol, int assume, object info):
    """exp of len(a) / n^2 matrices into e; a, e: C-contiguous, of one size and the right dtype."""
    cdef Py_buffer source, target
    cdef int64_t failed = -1, batch = 0
    cdef Py_ssize_t size = 4 if dtype == c"f" else 16 if dtype == c"D" else 8
    cdef int status = 0
    cdef rl_expm_info *report = NULL
    if info is not None:
        report = <rl_expm_info *><uintptr_t>info.ctypes.data
    PyObject_GetBuffer(a, &source, PyBUF_C_CONTIGUOUS)
    try:
        PyObject_GetBuffer(e, &target, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        try:
            if source.len != target.len or source.itemsize != size:
                raise ValueError("arrays of the core must have one size and one dtype")
            if source.len == 0:
                return
            if n < 1:
                raise ValueError("n must be at least 1")
            batch = source.len // size // n // n
            with nogil:
                if dtype == c"f":
                    status = rl_sexpm(batch, n, <const float *>source.buf, n, n * n, tol, assume,
                                      <float *>target.buf, n, n * n, report, &failed)
                elif dtype == c"d":
                    status = rl_dexpm(batch, n, <const double *>source.buf, n, n * n, tol, assume,
                                      <double *>target.buf, n, n * n, report, &failed)
                elif dtype == c"F":
                    status = rl_cexpm(batch, n, <const floatcomplex *>source.buf, n, n * n, tol,
                                      assume, <floatcomplex *>target.buf, n, n * n, report, &failed)
                else:
                    status = rl_zexpm(batch, n, <const doublecomplex *>source.buf, n, n * n, tol,
                                      assume, <doublecomplex *>target.buf, n, n * n, report,
                                      &failed)
        finally:
            PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&source)
    if status:
        _check(status, failed)


def expm_f(a, e, int64_t n, double tol, int assume, info):
    """exp of float32 matrices n x n; info: one record of INFO for each, or None."""
    _run(c"f", a, e, n, tol, assume, info)


def expm_d(a, e, int64_t n, double tol, int assume, info):
    """The same for float64."""
    _run(c"d", a, e, n, tol, assume, info)


def expm_F(a, e, int64_t n, double tol, int assume, info):
    """The same for complex64."""
    _run(c"F", a, e, n, tol, assume, info)


def expm_D(a, e, int64_t n, double tol, int assume, info):
    """The same for complex128."""
    _run(c"D", a, e, n, tol, assume, info)


EXPM = {"f": expm_f, "d": expm_d, "F": expm_F, "D": expm_D}


# The derivatives are called with larger matrices or batches: typed memoryviews will do.
ctypedef fused scalar:
    float
    double
    floatcomplex
    doublecomplex


def frechet(const scalar[:, :, ::1] a, const scalar[:, :, ::1] d, double tol, e,
            scalar[:, :, ::1] l):
    """Derivatives l of exp at matrices a in the directions d; exp(a) into e unless it is None."""
    cdef int64_t batch = a.shape[0], n = a.shape[1]
    cdef int64_t nn = n * n
    cdef scalar[:, :, ::1] value
    cdef scalar *to = NULL
    cdef int status = 0
    if batch == 0 or n == 0:
        return
    if e is not None:
        value = e
        to = &value[0, 0, 0]
    with nogil:
        if scalar is float:
            status = rl_sexpm_frechet(batch, n, &a[0, 0, 0], n, nn, &d[0, 0, 0], n, nn, tol, to, n,
                                      nn, &l[0, 0, 0], n, nn)
        elif scalar is double:
            status = rl_dexpm_frechet(batch, n, &a[0, 0, 0], n, nn, &d[0, 0, 0], n, nn, tol, to, n,
                                      nn, &l[0, 0, 0], n, nn)
        elif scalar is floatcomplex:
            status = rl_cexpm_frechet(batch, n, &a[0, 0, 0], n, nn, &d[0, 0, 0], n, nn, tol, to, n,
                                      nn, &l[0, 0, 0], n, nn)
        else:
            status = rl_zexpm_frechet(batch, n, &a[0, 0, 0], n, nn, &d[0, 0, 0], n, nn, tol, to, n,
                                      nn, &l[0, 0, 0], n, nn)
    if status:
        raise_status(status)


def vjp(const scalar[:, :, ::1] a, const scalar[:, :, ::1] g, double tol, scalar[:, :, ::1] x):
    """Gradients x by matrices a, given the gradients g by exp(a)."""
    cdef int64_t batch = a.shape[0], n = a.shape[1]
    cdef int64_t nn = n * n
    cdef int status = 0
    if batch == 0 or n == 0:
        return
    with nogil:
        if scalar is float:
            status = rl_sexpm_vjp(batch, n, &a[0, 0, 0], n, nn, &g[0, 0, 0], n, nn, tol, &x[0, 0,
                                  0], n, nn)
        elif scalar is double:
            status = rl_dexpm_vjp(batch, n, &a[0, 0, 0], n, nn, &g[0, 0, 0], n, nn, tol, &x[0, 0,
                                  0], n, nn)
        elif scalar is floatcomplex:
            status = rl_cexpm_vjp(batch, n, &a[0, 0, 0], n, nn, &g[0, 0, 0], n, nn, tol, &x[0, 0,
                                  0], n, nn)
        else:
            status = rl_zexpm_vjp(batch, n, &a[0, 0, 0], n, nn, &g[0, 0, 0], n, nn, tol, &x[0, 0,
                                  0], n, nn)
    if status:
        raise_status(status)


def phi(const scalar[:, :, ::1] a, int k, double tol, scalar[:, :, ::1] f, info):
    """phi_k(a) into f for each matrix; info: one record of INFO for each, or None."""
    cdef int64_t batch = a.shape[0], n = a.shape[1]
    cdef int64_t nn = n * n
    cdef rl_expm_info *report = NULL
    cdef int status = 0
    if batch == 0 or n == 0:
        return
    if info is not None:
        report = <rl_expm_info *><uintptr_t>info.ctypes.data
    with nogil:
        if scalar is float:
            status = rl_sphi(batch, n, k, &a[0, 0, 0], n, nn, tol, &f[0, 0, 0], n, nn, report)
        elif scalar is double:
            status = rl_dphi(batch, n, k, &a[0, 0, 0], n, nn, tol, &f[0, 0, 0], n, nn, report)
        elif scalar is floatcomplex:
            status = rl_cphi(batch, n, k, &a[0, 0, 0], n, nn, tol, &f[0, 0, 0], n, nn, report)
        else:
            status = rl_zphi(batch, n, k, &a[0, 0, 0], n, nn, tol, &f[0, 0, 0], n, nn, report)
    if status:
        raise_status(status)


def phi_vjp(const scalar[:, :, ::1] a, int k, const scalar[:, :, ::1] g, double tol,
            scalar[:, :, ::1] x):
    """Gradients x by matrices a, given the gradients g by phi_k(a)."""
    cdef int64_t batch = a.shape[0], n = a.shape[1]
    cdef int64_t nn = n * n
    cdef int status = 0
    if batch == 0 or n == 0:
        return
    with nogil:
        if scalar is float:
            status = rl_sphi_vjp(batch, n, k, &a[0, 0, 0], n, nn, &g[0, 0, 0], n, nn, tol,
                                 &x[0, 0, 0], n, nn)
        elif scalar is double:
            status = rl_dphi_vjp(batch, n, k, &a[0, 0, 0], n, nn, &g[0, 0, 0], n, nn, tol,
                                 &x[0, 0, 0], n, nn)
        elif scalar is floatcomplex:
            status = rl_cphi_vjp(batch, n, k, &a[0, 0, 0], n, nn, &g[0, 0, 0], n, nn, tol,
                                 &x[0, 0, 0], n, nn)
        else:
            status = rl_zphi_vjp(batch, n, k, &a[0, 0, 0], n, nn, &g[0, 0, 0], n, nn, tol,
                                 &x[0, 0, 0], n, nn)
    if status:
        raise_status(status)


def phi_select(const double[::1] norm_a, const double[::1] norm_a2, int k, double tol, bint single,
               info):
    """Degree, scaling, products and error bound of phi_k, k >= 1, from norms of A and A^2."""
    cdef int64_t count = norm_a.shape[0]
    cdef int status
    cdef rl_expm_info *report = <rl_expm_info *><uintptr_t>info.ctypes.data
    if count == 0:
        return
    if single:
        status = rl_sphi_select(count, k, &norm_a[0], &norm_a2[0], tol, report)
    else:
        status = rl_dphi_select(count, k, &norm_a[0], &norm_a2[0], tol, report)
    if status:
        raise_status(status)


def rule(double tol, bint single, bint derivative):
    """Memory of rl_expm_rule, for kernels that choose order and scaling themselves."""
    cdef rl_expm_rule value
    cdef int status = rl_expm_get_rule(single, tol, derivative, &value)
    if status:
        raise_status(status)
    return (<const char *>&value)[:sizeof(value)]


def action_rule(double tol, bint single, bint derivative):
    """Memory of rl_action_rule."""
    cdef rl_action_rule value
    cdef int status = rl_action_get_rule(single, tol, derivative, &value)
    if status:
        raise_status(status)
    return (<const char *>&value)[:sizeof(value)]


# layout of rl_expm_multiply_info
MULTIPLY_INFO = [("order", "i4"), ("steps", "i4"), ("products", "i4"), ("reserved", "i4"),
                 ("error_bound", "f8")]


# Row-major B exp(A): column-major, the batch's B^T stand to the right: side "R".
def multiply(const scalar[:, :, ::1] a, const scalar[:, :, ::1] b, double tol,
             scalar[:, :, ::1] y, info):
    """exp(a) b into y for each pair; info: one record of MULTIPLY_INFO for each, or None."""
    cdef int64_t batch = a.shape[0], n = a.shape[1], p = b.shape[2]
    cdef int64_t nn = n * n, np = n * p
    cdef rl_expm_multiply_info *report = NULL
    cdef int status = 0
    if batch == 0 or n == 0 or p == 0:
        return
    if info is not None:
        report = <rl_expm_multiply_info *><uintptr_t>info.ctypes.data
    with nogil:
        if scalar is float:
            status = rl_sexpm_multiply(batch, c"R", n, p, &a[0, 0, 0], n, nn, &b[0, 0, 0], p, np,
                                       tol, &y[0, 0, 0], p, np, report)
        elif scalar is double:
            status = rl_dexpm_multiply(batch, c"R", n, p, &a[0, 0, 0], n, nn, &b[0, 0, 0], p, np,
                                       tol, &y[0, 0, 0], p, np, report)
        elif scalar is floatcomplex:
            status = rl_cexpm_multiply(batch, c"R", n, p, &a[0, 0, 0], n, nn, &b[0, 0, 0], p, np,
                                       tol, &y[0, 0, 0], p, np, report)
        else:
            status = rl_zexpm_multiply(batch, c"R", n, p, &a[0, 0, 0], n, nn, &b[0, 0, 0], p, np,
                                       tol, &y[0, 0, 0], p, np, report)
    if status:
        raise_status(status)


def multiply_vjp(const scalar[:, :, ::1] a, const scalar[:, :, ::1] b, const scalar[:, :, ::1] g,
                 double tol, scalar[:, :, ::1] xa, scalar[:, :, ::1] xb):
    """Gradients xa, xb by a and b, given the gradients g by exp(a) b."""
    cdef int64_t batch = a.shape[0], n = a.shape[1], p = b.shape[2]
    cdef int64_t nn = n * n, np = n * p
    cdef int status = 0
    if batch == 0 or n == 0:
        return
    if p == 0:
        xa[...] = 0
        return
    with nogil:
        if scalar is float:
            status = rl_sexpm_multiply_vjp(batch, c"R", n, p, &a[0, 0, 0], n, nn, &b[0, 0, 0], p,
                                           np, &g[0, 0, 0], p, np, tol, &xa[0, 0, 0], n, nn, &xb[0,
                                           0, 0], p, np)
        elif scalar is double:
            status = rl_dexpm_multiply_vjp(batch, c"R", n, p, &a[0, 0, 0], n, nn, &b[0, 0, 0], p,
                                           np, &g[0, 0, 0], p, np, tol, &xa[0, 0, 0], n, nn, &xb[0,
                                           0, 0], p, np)
        elif scalar is floatcomplex:
            status = rl_cexpm_multiply_vjp(batch, c"R", n, p, &a[0, 0, 0], n, nn, &b[0, 0, 0], p,
                                           np, &g[0, 0, 0], p, np, tol, &xa[0, 0, 0], n, nn, &xb[0,
                                           0, 0], p, np)
        else:
            status = rl_zexpm_multiply_vjp(batch, c"R", n, p, &a[0, 0, 0], n, nn, &b[0, 0, 0], p,
                                           np, &g[0, 0, 0], p, np, tol, &xa[0, 0, 0], n, nn, &xb[0,
                                           0, 0], p, np)
    if status:
        raise_status(status)


ctypedef fused integer:
    int32_t
    int64_t

ctypedef fused real:
    float
    double


def spmm(const integer[::1] pointers, const integer[::1] indices, const scalar[::1] a,
         const double[::1] scalars, const scalar[:, ::1] x, z, scalar[:, ::1] y, w):
    """y = alpha A x + beta x + gamma z, w += delta y: A in CSR, its indices known to be inside.

    scalars: alpha, beta, gamma, delta, each with its imaginary part.  z and w may be None; y may
    be z.
    """
    cdef int64_t n = x.shape[0], p = x.shape[1]
    cdef const scalar[:, ::1] zs
    cdef scalar[:, ::1] ws
    cdef const scalar *from_x = NULL
    cdef const scalar *from_z = NULL
    cdef const scalar *entries = NULL
    cdef const integer *index = NULL
    cdef scalar *to_y = NULL
    cdef scalar *to_w = NULL
    cdef const double *s = &scalars[0]
    cdef int status = 0
    if n == 0 or p == 0:
        return
    from_x = &x[0, 0]
    to_y = &y[0, 0]
    if z is not None:
        zs = z
        from_z = &zs[0, 0]
    if w is not None:
        ws = w
        to_w = &ws[0, 0]
    if a.shape[0]:
        entries = &a[0]
        index = &indices[0]
    with nogil:
        if scalar is float:
            status = rl_sspmm(n, p, &pointers[0], index, sizeof(integer), entries, s, from_x,
                              from_z, to_y, to_w)
        elif scalar is double:
            status = rl_dspmm(n, p, &pointers[0], index, sizeof(integer), entries, s, from_x,
                              from_z, to_y, to_w)
        elif scalar is floatcomplex:
            status = rl_cspmm(n, p, &pointers[0], index, sizeof(integer), entries, s, from_x,
                              from_z, to_y, to_w)
        else:
            status = rl_zspmm(n, p, &pointers[0], index, sizeof(integer), entries, s, from_x,
                              from_z, to_y, to_w)
    if status:
        raise_status(status)


# names of the flags of spmm_survey
SURVEY = {
    "valid": RL_SPMM_VALID,
    "canonical": RL_SPMM_CANONICAL,
    "finite": RL_SPMM_FINITE,
    "hermitian": RL_SPMM_HERMITIAN,
    "skew": RL_SPMM_SKEW,
}


def spmm_survey(const integer[::1] pointers, const integer[::1] indices, const scalar[::1] a,
                diagonal, double[::1] rows, double[::1] columns, double[::1] hermitian):
    """Flags of A in CSR, its diagonal, and sums of moduli off it; 0 if an index is outside."""
    cdef int64_t n = rows.shape[0], entries = min(indices.shape[0], a.shape[0])
    cdef const integer *index = &indices[0] if entries else NULL
    cdef const scalar *entry = &a[0] if entries else NULL
    cdef uintptr_t d = diagonal.ctypes.data
    cdef double *r = NULL
    cdef double *c = NULL
    cdef double *h = NULL
    cdef int flags = 0, status = 0
    if n:
        r, c, h = &rows[0], &columns[0], &hermitian[0]
    with nogil:
        if scalar is float:
            status = rl_sspmm_survey(n, entries, &pointers[0], index, sizeof(integer), entry,
                                     <double *>d, r, c, h, &flags)
        elif scalar is double:
            status = rl_dspmm_survey(n, entries, &pointers[0], index, sizeof(integer), entry,
                                     <double *>d, r, c, h, &flags)
        elif scalar is floatcomplex:
            status = rl_cspmm_survey(n, entries, &pointers[0], index, sizeof(integer), entry,
                                     <doublecomplex *>d, r, c, h, &flags)
        else:
            status = rl_zspmm_survey(n, entries, &pointers[0], index, sizeof(integer), entry,
                                     <doublecomplex *>d, r, c, h, &flags)
    if status:
        raise_status(status)
    return flags


# rows of a tile of spmm_tiles
TILE = RL_SPMM_TILE


def spmm_offsets(const integer[::1] pointers, const integer[::1] indices, int64_t[::1] offsets):
    """Offsets of the diagonals with entries: their number, or 0 if `offsets` is too short."""
    cdef int64_t n = pointers.shape[0] - 1, most = offsets.shape[0], count = 0
    cdef const integer *index = &indices[0] if indices.shape[0] else NULL
    cdef int64_t *to = NULL
    cdef int status
    if most == 0:
        return 0
    to = &offsets[0]
    with nogil:
        status = rl_spmm_offsets(n, &pointers[0], index, sizeof(integer), most, to, &count)
    if status:
        raise_status(status)
    return count


def spmm_tiles(const integer[::1] pointers, const integer[::1] indices, const real[::1] a,
               const int64_t[::1] offsets, real[:, :, ::1] tiles):
    """The entries of A in CSR by diagonals: tiles has shape (tiles, offsets, TILE)."""
    cdef int64_t n = pointers.shape[0] - 1, count = offsets.shape[0]
    cdef int status
    with nogil:
        if real is float:
            status = rl_sspmm_tiles(n, &pointers[0], &indices[0], sizeof(integer), &a[0], count,
                                    &offsets[0], &tiles[0, 0, 0])
        else:
            status = rl_dspmm_tiles(n, &pointers[0], &indices[0], sizeof(integer), &a[0], count,
                                    &offsets[0], &tiles[0, 0, 0])
    if status:
        raise_status(status)


def spmm_tiled(const int64_t[::1] offsets, const real[:, :, ::1] tiles, const double[::1] scalars,
               const real[:, ::1] x, z, real[:, ::1] y, w):
    """As spmm, by diagonals, for at most two columns."""
    cdef int64_t n = x.shape[0], p = x.shape[1], count = offsets.shape[0]
    cdef const real[:, ::1] zs
    cdef real[:, ::1] ws
    cdef const real *from_z = NULL
    cdef real *to_w = NULL
    cdef int status
    if n == 0 or p == 0:
        return
    if z is not None:
        zs = z
        from_z = &zs[0, 0]
    if w is not None:
        ws = w
        to_w = &ws[0, 0]
    with nogil:
        if real is float:
            status = rl_sspmm_tiled(n, p, count, &offsets[0], &tiles[0, 0, 0], &scalars[0],
                                    &x[0, 0], from_z, &y[0, 0], to_w)
        else:
            status = rl_dspmm_tiled(n, p, count, &offsets[0], &tiles[0, 0, 0], &scalars[0],
                                    &x[0, 0], from_z, &y[0, 0], to_w)
    if status:
        raise_status(status)


def select(const double[::1] norm_a, const double[::1] norm_a2, double tol, bint single, info,
           bint derivative=False):
    """Order, scaling, products and error bound from norms of A and A^2."""
    cdef int64_t count = norm_a.shape[0]
    cdef int status
    cdef rl_expm_info *report = <rl_expm_info *><uintptr_t>info.ctypes.data
    if count == 0:
        return
    if single:
        status = rl_sexpm_select(count, &norm_a[0], &norm_a2[0], tol, derivative, report)
    else:
        status = rl_dexpm_select(count, &norm_a[0], &norm_a2[0], tol, derivative, report)
    if status:
        raise_status(status)
