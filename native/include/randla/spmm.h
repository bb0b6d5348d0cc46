/* A term of a recurrence with a sparse matrix, in one pass over it.  Included by randla.h. */
#ifndef RANDLA_SPMM_H
#define RANDLA_SPMM_H

#ifdef __cplusplus
extern "C" {
#endif

/* A: CSR, n x n, indices of `index_bytes` (4 or 8), all inside
 * [0, n) and row pointers that ascend (the caller's promise).  X, Y, Z, W: row-major, n x p.
 *   Y = alpha A X + beta X + gamma Z,   W += delta Y.
 * alpha ... delta: pairs, real and imaginary part (which real types ignore).  Z, W may be NULL; Y must
 * overlap nothing else.  Bound: A is read once, and each of X, Y, Z, W; unfused, the sums move more than A. */
RL_API int rl_sspmm(int64_t n, int64_t p, const void *pointers, const void *indices,
                    int index_bytes, const float *a, const double scalars[8], const float *x,
                    const float *z, float *y, float *w);
RL_API int rl_dspmm(int64_t n, int64_t p, const void *pointers, const void *indices,
                    int index_bytes, const double *a, const double scalars[8], const double *x,
                    const double *z, double *y, double *w);
RL_API int rl_cspmm(int64_t n, int64_t p, const void *pointers, const void *indices,
                    int index_bytes, const rl_complex_float *a, const double scalars[8],
                    const rl_complex_float *x, const rl_complex_float *z, rl_complex_float *y,
                    rl_complex_float *w);
RL_API int rl_zspmm(int64_t n, int64_t p, const void *pointers, const void *indices,
                    int index_bytes, const rl_complex_double *a, const double scalars[8],
                    const rl_complex_double *x, const rl_complex_double *z, rl_complex_double *y,
                    rl_complex_double *w);

#ifdef __cplusplus
}
#endif
#endif
