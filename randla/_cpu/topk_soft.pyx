# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Binding of soft ranks and soft top-k.  Rows are the first axis of C-contiguous matrices.

Parameters of rows (k, temperature, gate) are float64 vectors of one element, or one for each row.
"""
from libc.stdint cimport int64_t

from randla._cpu.core import raise_status

ctypedef fused real:
    float
    double


cdef extern from "randla.h" nogil:
    int RL_SOFT_AUTO
    int RL_SOFT_DIRECT
    int RL_SOFT_WINDOW
    int RL_SOFT_MULTIPOLE
    int RL_SOFT_FERMI
    int RL_SOFT_LAPLACE
    int RL_SOFT_THRESHOLD
    int RL_SOFT_SHIVA
    int rl_stopk_soft_rank(int64_t rows, int64_t n, const float *x, int64_t ldx, const double *t,
                           int64_t inct, int method, float *rank, int64_t ldr)
    int rl_dtopk_soft_rank(int64_t rows, int64_t n, const double *x, int64_t ldx, const double *t,
                           int64_t inct, int method, double *rank, int64_t ldr)
    int rl_stopk_soft_rank_vjp(int64_t rows, int64_t n, const float *x, int64_t ldx,
                               const double *t, int64_t inct, int method, const float *g,
                               int64_t ldg, float *dx, int64_t lddx, double *dt)
    int rl_dtopk_soft_rank_vjp(int64_t rows, int64_t n, const double *x, int64_t ldx,
                               const double *t, int64_t inct, int method, const double *g,
                               int64_t ldg, double *dx, int64_t lddx, double *dt)
    int rl_stopk_soft_rank_jvp(int64_t rows, int64_t n, const float *x, int64_t ldx,
                               const double *t, int64_t inct, int method, const float *dx,
                               int64_t lddx, const double *dt, float *tangent, int64_t ldv)
    int rl_dtopk_soft_rank_jvp(int64_t rows, int64_t n, const double *x, int64_t ldx,
                               const double *t, int64_t inct, int method, const double *dx,
                               int64_t lddx, const double *dt, double *tangent, int64_t ldv)
    int rl_stopk_soft(int kind, int64_t rows, int64_t n, const float *x, int64_t ldx,
                      const double *k, int64_t inck, const double *t, int64_t inct,
                      const double *gate, int64_t incg, float *p, int64_t ldp)
    int rl_dtopk_soft(int kind, int64_t rows, int64_t n, const double *x, int64_t ldx,
                      const double *k, int64_t inck, const double *t, int64_t inct,
                      const double *gate, int64_t incg, double *p, int64_t ldp)
    int rl_stopk_soft_vjp(int kind, int64_t rows, int64_t n, const float *x, int64_t ldx,
                          const double *k, int64_t inck, const double *t, int64_t inct,
                          const double *gate, int64_t incg, const float *g, int64_t ldg,
                          float *dx, int64_t lddx, double *dk, double *dt, double *dgate)
    int rl_dtopk_soft_vjp(int kind, int64_t rows, int64_t n, const double *x, int64_t ldx,
                          const double *k, int64_t inck, const double *t, int64_t inct,
                          const double *gate, int64_t incg, const double *g, int64_t ldg,
                          double *dx, int64_t lddx, double *dk, double *dt, double *dgate)
    int rl_stopk_soft_jvp(int kind, int64_t rows, int64_t n, const float *x, int64_t ldx,
                          const double *k, int64_t inck, const double *t, int64_t inct,
                          const double *gate, int64_t incg, const float *dx, int64_t lddx,
                          const double *dk, const double *dt, const double *dgate, float *tangent,
                          int64_t ldv)
    int rl_dtopk_soft_jvp(int kind, int64_t rows, int64_t n, const double *x, int64_t ldx,
                          const double *k, int64_t inck, const double *t, int64_t inct,
                          const double *gate, int64_t incg, const double *dx, int64_t lddx,
                          const double *dk, const double *dt, const double *dgate,
                          double *tangent, int64_t ldv)


METHODS = {
    "auto": RL_SOFT_AUTO,
    "direct": RL_SOFT_DIRECT,
    "window": RL_SOFT_WINDOW,
    "multipole": RL_SOFT_MULTIPOLE,
}
KINDS = {
    "fermi": RL_SOFT_FERMI,
    "laplace": RL_SOFT_LAPLACE,
    "threshold": RL_SOFT_THRESHOLD,
    "shiva": RL_SOFT_SHIVA,
}


cdef int64_t step(const double[::1] v):
    return 0 if v.shape[0] == 1 else 1


def rank(const real[:, ::1] x, const double[::1] t, real[:, ::1] out, int method=0):
    """Ranks of the elements of each row, not empty."""
    cdef int64_t rows = x.shape[0], n = x.shape[1], inct = step(t)
    cdef int status
    with nogil:
        if real is float:
            status = rl_stopk_soft_rank(rows, n, &x[0, 0], n, &t[0], inct, method, &out[0, 0], n)
        else:
            status = rl_dtopk_soft_rank(rows, n, &x[0, 0], n, &t[0], inct, method, &out[0, 0], n)
    if status:
        raise_status(status)


def rank_vjp(const real[:, ::1] x, const double[::1] t, const real[:, ::1] g, real[:, ::1] dx,
             double[::1] dt, int method=0):
    """Gradients by x and by the temperature of each row."""
    cdef int64_t rows = x.shape[0], n = x.shape[1], inct = step(t)
    cdef int status
    with nogil:
        if real is float:
            status = rl_stopk_soft_rank_vjp(rows, n, &x[0, 0], n, &t[0], inct, method, &g[0, 0], n,
                                            &dx[0, 0], n, &dt[0])
        else:
            status = rl_dtopk_soft_rank_vjp(rows, n, &x[0, 0], n, &t[0], inct, method, &g[0, 0], n,
                                            &dx[0, 0], n, &dt[0])
    if status:
        raise_status(status)


def rank_jvp(const real[:, ::1] x, const double[::1] t, const real[:, ::1] dx,
             const double[::1] dt, real[:, ::1] out, int method=0):
    """Tangents from those of x and of the temperature of each row."""
    cdef int64_t rows = x.shape[0], n = x.shape[1], inct = step(t)
    cdef int status
    with nogil:
        if real is float:
            status = rl_stopk_soft_rank_jvp(rows, n, &x[0, 0], n, &t[0], inct, method, &dx[0, 0],
                                            n, &dt[0], &out[0, 0], n)
        else:
            status = rl_dtopk_soft_rank_jvp(rows, n, &x[0, 0], n, &t[0], inct, method, &dx[0, 0],
                                            n, &dt[0], &out[0, 0], n)
    if status:
        raise_status(status)


def soft(int kind, const real[:, ::1] x, const double[::1] k, const double[::1] t,
         const double[::1] gate, real[:, ::1] out):
    """Weights of the elements of each row, not empty."""
    cdef int64_t rows = x.shape[0], n = x.shape[1]
    cdef int64_t inck = step(k), inct = step(t), incg = step(gate)
    cdef int status
    with nogil:
        if real is float:
            status = rl_stopk_soft(kind, rows, n, &x[0, 0], n, &k[0], inck, &t[0], inct, &gate[0],
                                   incg, &out[0, 0], n)
        else:
            status = rl_dtopk_soft(kind, rows, n, &x[0, 0], n, &k[0], inck, &t[0], inct, &gate[0],
                                   incg, &out[0, 0], n)
    if status:
        raise_status(status)


def soft_vjp(int kind, const real[:, ::1] x, const double[::1] k, const double[::1] t,
             const double[::1] gate, const real[:, ::1] g, real[:, ::1] dx, double[::1] dk,
             double[::1] dt, double[::1] dgate):
    """Gradients by x, and by k, temperature and gate of each row."""
    cdef int64_t rows = x.shape[0], n = x.shape[1]
    cdef int64_t inck = step(k), inct = step(t), incg = step(gate)
    cdef int status
    with nogil:
        if real is float:
            status = rl_stopk_soft_vjp(kind, rows, n, &x[0, 0], n, &k[0], inck, &t[0], inct,
                                       &gate[0], incg, &g[0, 0], n, &dx[0, 0], n, &dk[0], &dt[0],
                                       &dgate[0])
        else:
            status = rl_dtopk_soft_vjp(kind, rows, n, &x[0, 0], n, &k[0], inck, &t[0], inct,
                                       &gate[0], incg, &g[0, 0], n, &dx[0, 0], n, &dk[0], &dt[0],
                                       &dgate[0])
    if status:
        raise_status(status)


def soft_jvp(int kind, const real[:, ::1] x, const double[::1] k, const double[::1] t,
             const double[::1] gate, const real[:, ::1] dx, const double[::1] dk,
             const double[::1] dt, const double[::1] dgate, real[:, ::1] out):
    """Tangents from those of x, and of k, temperature and gate of each row."""
    cdef int64_t rows = x.shape[0], n = x.shape[1]
    cdef int64_t inck = step(k), inct = step(t), incg = step(gate)
    cdef int status
    with nogil:
        if real is float:
            status = rl_stopk_soft_jvp(kind, rows, n, &x[0, 0], n, &k[0], inck, &t[0], inct,
                                       &gate[0], incg, &dx[0, 0], n, &dk[0], &dt[0], &dgate[0],
                                       &out[0, 0], n)
        else:
            status = rl_dtopk_soft_jvp(kind, rows, n, &x[0, 0], n, &k[0], inck, &t[0], inct,
                                       &gate[0], incg, &dx[0, 0], n, &dk[0], &dt[0], &dgate[0],
                                       &out[0, 0], n)
    if status:
        raise_status(status)
