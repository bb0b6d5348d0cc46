/* What iterative least squares are made of: the product A^H (A V), and solves with a triangle.  Included by randla.h. */
#ifndef RANDLA_QR_LSTSQ_H
#define RANDLA_QR_LSTSQ_H

#ifdef __cplusplus
extern "C" {
#endif

/* normal_product: W = A^H (A V) for an m x n matrix A, column-major ('F') or row-major ('C'), and p columns V
 * (n x p, column-major); W (n x p, column-major) must not overlap V.  A is read once, by blocks of rows that stay in
 * the cache.  Sums run over the same chunks of rows whatever the number of threads: so do the bits.
 *
 * triangular_solve: X = op(R)^-1 X for upper triangular R (n x n, column-major), X (n x p, column-major); op: 'N', or
 * 'C' for R^H.  A zero on the diagonal gives infinities or NaN. */
#define RL_QR_LSTSQ(p, T)                                                                          \
  RL_API int rl_##p##normal_product(char order, int64_t m, int64_t n, int64_t columns, const T *a, \
                                    int64_t lda, const T *v, int64_t ldv, T *w, int64_t ldw);      \
  RL_API int rl_##p##triangular_solve(char op, int64_t n, int64_t columns, const T *r,             \
                                      int64_t ldr, T *x, int64_t ldx);
RL_QR_LSTSQ(s, float)
RL_QR_LSTSQ(d, double)
RL_QR_LSTSQ(c, rl_complex_float)
RL_QR_LSTSQ(z, rl_complex_double)
#undef RL_QR_LSTSQ

#ifdef __cplusplus
}
#endif
#endif
