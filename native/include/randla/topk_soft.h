/* Soft ranks and soft top-k, with derivatives.  Included by randla.h. */
#ifndef RANDLA_TOPK_SOFT_H
#define RANDLA_TOPK_SOFT_H

#ifdef __cplusplus
extern "C" {
#endif

/* Common to all functions here: `rows` rows of n contiguous elements, at distances ldx, ldg, ... >= n; n < 2^31.
 * Parameters of rows (temperature t > 0, k, gate) are double, inct, inck, incg apart: 0, one for all, or 1.  A
 * temperature below 2^-1000 counts as 2^-1000; above 2^1000 it is RL_ERR_RANGE, as is a k out of range.
 * A NaN in a row makes everything of that row NaN.  Infinite elements are taken at their limits: equal ones tie, the
 * derivatives at them are 0, and they change no others.
 * Memory: O(n) for each thread, whatever the elements are.  Results do not depend on the number of threads. */

/* How the sums over pairs are made. */
enum rl_soft_method {
  RL_SOFT_AUTO,     /* what costs least, for each row and part of it */
  RL_SOFT_DIRECT,   /* all pairs: O(n^2) */
  RL_SOFT_WINDOW,   /* pairs that are near each other, and positions for all others */
  RL_SOFT_MULTIPOLE /* expansions: O(n) */
};

/* rank_i = 1/2 + sum_j s((x_j - x_i) / t), s the logistic function; 1 is highest.  Error: 1e-6 n (float), 1e-13 n. */
RL_API int rl_stopk_soft_rank(int64_t rows, int64_t n, const float *x, int64_t ldx, const double *t,
                              int64_t inct, int method, float *rank, int64_t ldr);
RL_API int rl_dtopk_soft_rank(int64_t rows, int64_t n, const double *x, int64_t ldx,
                              const double *t, int64_t inct, int method, double *rank, int64_t ldr);

/* Gradients by x, and by t (one for each row; may be NULL), of a function whose gradient by the ranks is g. */
RL_API int rl_stopk_soft_rank_vjp(int64_t rows, int64_t n, const float *x, int64_t ldx,
                                  const double *t, int64_t inct, int method, const float *g,
                                  int64_t ldg, float *dx, int64_t lddx, double *dt);
RL_API int rl_dtopk_soft_rank_vjp(int64_t rows, int64_t n, const double *x, int64_t ldx,
                                  const double *t, int64_t inct, int method, const double *g,
                                  int64_t ldg, double *dx, int64_t lddx, double *dt);

/* Tangents of the ranks from those of x and of t (dt: one for each row; may be NULL). */
RL_API int rl_stopk_soft_rank_jvp(int64_t rows, int64_t n, const float *x, int64_t ldx,
                                  const double *t, int64_t inct, int method, const float *dx,
                                  int64_t lddx, const double *dt, float *tangent, int64_t ldv);
RL_API int rl_dtopk_soft_rank_jvp(int64_t rows, int64_t n, const double *x, int64_t ldx,
                                  const double *t, int64_t inct, int method, const double *dx,
                                  int64_t lddx, const double *dt, double *tangent, int64_t ldv);

/* Weights p of elements that are near the k largest.  With z = (x - b) / t: */
enum rl_soft_kind {
  RL_SOFT_FERMI,     /* s(z), b such that sum p = k; 0 <= k <= n */
  RL_SOFT_LAPLACE,   /* exp(z) / 2 for z < 0, else 1 - exp(-z) / 2; b likewise */
  RL_SOFT_THRESHOLD, /* s(z), b the mean of the elements of rank k and k + 1; integer, 0 < k < n */
  RL_SOFT_SHIVA      /* s((k - rank) / (gate n)), any finite k */
};
RL_API int rl_stopk_soft(int kind, int64_t rows, int64_t n, const float *x, int64_t ldx,
                         const double *k, int64_t inck, const double *t, int64_t inct,
                         const double *gate, int64_t incg, float *p, int64_t ldp);
RL_API int rl_dtopk_soft(int kind, int64_t rows, int64_t n, const double *x, int64_t ldx,
                         const double *k, int64_t inck, const double *t, int64_t inct,
                         const double *gate, int64_t incg, double *p, int64_t ldp);

/* Gradients by x, k, t and gate: the latter one for each row, and each may be NULL. */
RL_API int rl_stopk_soft_vjp(int kind, int64_t rows, int64_t n, const float *x, int64_t ldx,
                             const double *k, int64_t inck, const double *t, int64_t inct,
                             const double *gate, int64_t incg, const float *g, int64_t ldg,
                             float *dx, int64_t lddx, double *dk, double *dt, double *dgate);
RL_API int rl_dtopk_soft_vjp(int kind, int64_t rows, int64_t n, const double *x, int64_t ldx,
                             const double *k, int64_t inck, const double *t, int64_t inct,
                             const double *gate, int64_t incg, const double *g, int64_t ldg,
                             double *dx, int64_t lddx, double *dk, double *dt, double *dgate);

/* Tangents of p from those of x, k, t and gate: the latter one for each row, and each may be NULL. */
RL_API int rl_stopk_soft_jvp(int kind, int64_t rows, int64_t n, const float *x, int64_t ldx,
                             const double *k, int64_t inck, const double *t, int64_t inct,
                             const double *gate, int64_t incg, const float *dx, int64_t lddx,
                             const double *dk, const double *dt, const double *dgate,
                             float *tangent, int64_t ldv);
RL_API int rl_dtopk_soft_jvp(int kind, int64_t rows, int64_t n, const double *x, int64_t ldx,
                             const double *k, int64_t inck, const double *t, int64_t inct,
                             const double *gate, int64_t incg, const double *dx, int64_t lddx,
                             const double *dk, const double *dt, const double *dgate,
                             double *tangent, int64_t ldv);

#ifdef __cplusplus
}
#endif
#endif
