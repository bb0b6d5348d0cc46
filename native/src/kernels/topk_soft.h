/* What soft ranks and soft top-k need from an ISA level. */
#ifndef RL_TOPK_SOFT_KERNELS_H
#define RL_TOPK_SOFT_KERNELS_H

#include <stdint.h>

/* The expansions of soft ranks: bins as wide as WIDTH temperatures, TERMS Chebyshev terms, REACH neighbours on each
 * side.  The poles of the logistic function at +-i pi allow an error of about rho^-TERMS per pair of elements,
 * rho = r + sqrt(r^2 + 1), r = 2 pi / WIDTH; beyond REACH bins it is exp(-WIDTH REACH). */
#define RL_SOFT_WIDTH_s 4.5 /* rho^-TERMS = 1e-8, tails 2e-8 */
#define RL_SOFT_TERMS_s 16
#define RL_SOFT_REACH_s 4
#define RL_SOFT_WIDTH_d 3.0 /* 3e-16, 5e-15 */
#define RL_SOFT_TERMS_d 24
#define RL_SOFT_REACH_d 11
#define RL_SOFT_PADDED_s 16 /* TERMS in whole vectors of any level */
#define RL_SOFT_PADDED_d 24

/* What moments(), evaluate(), ranks() and slopes() read, and split() and evaluate() write, needs memory for this many
 * elements more. */
#define RL_SOFT_PAD 16

/* As many bins as split() sorts into. */
#define RL_SOFT_SPLIT 8

enum { RL_SOFT_LOGISTIC, RL_SOFT_LAPLACIAN };

#define RL_SOFT_KERNEL_TABLE(REAL, INT, name)                                                                 \
  /* z = (x - centre) lift inverse - high - low; lift inverse is one over the temperature, high + low   \
   * the threshold.  x - centre is exact near the threshold, so that z is good to a few units. */     \
  typedef struct {                                                                                            \
    int law;                                                                                                  \
    REAL centre, lift, inverse, high, low;                                                                    \
  } name##_place;                                                                                             \
  /* w (a (t - z slope - mean) + b), w = F'(z): of logistic kind w = s (1 - s), else exp(-|z|).  shift:   \
   * if not 0, w = exp(shift - |z|), its limit far from the threshold. */   \
  typedef struct {                                                                                            \
    REAL shift, slope, mean, a, b;                                                                            \
  } name##_tangent;                                                                                           \
  typedef struct {                                                                                            \
    int lanes;                                                                                                \
    /* Extremes of the finite elements; returns how many are not. */                                          \
    int64_t (*survey)(int64_t n, const REAL *x, REAL *low, REAL *high);                                       \
                                                                                                              \
    /* Bins around origin + c width, and where in them, u in [-1, 1]. */                                      \
    void (*locate)(int64_t n, const REAL *x, REAL origin, double width, REAL *u, INT *bin);                   \
    /* u in the order of bins 0 .. bins - 1, with the indices; start: bins + 1 numbers. */                    \
    void (*split)(int64_t n, const REAL *u, const INT *bin, int bins, REAL *sorted, INT *index,               \
                  int64_t *start);                                                                            \
    /* moment[q] = sum of weight T_q(u); without weights they are 1. */                                       \
    void (*moments)(int64_t n, const REAL *u, const REAL *weight, REAL *moment);                              \
    /* local[s] = sum over `count` sources of table moment, for s < sets of moments. */                       \
    void (*translate)(int count, const REAL *const table[], int sets, const REAL *const moment[],             \
                      REAL *local);                                                                           \
    /* f = polynomial of u; with weights: the first one less weight times the second. */                      \
    void (*evaluate)(int64_t n, const REAL *u, const REAL *weight, const REAL *local, REAL *f);               \
    /* z = (x_j - y_i) / t.  f_i = sum of s(z).  f_i = sum of s'(z) (v_j - w_i - bend z); returns the sum   \
   * of all terms, each times its z. */ \
    void (*ranks)(int64_t m, const REAL *y, int64_t n, const REAL *x, REAL lift, REAL inverse,                \
                  REAL *f);                                                                                   \
    double (*slopes)(int64_t m, const REAL *y, const REAL *w, int64_t n, const REAL *x,                       \
                     const REAL *v, REAL lift, REAL inverse, REAL bend, REAL *f);                             \
                                                                                                              \
    /* sum[0]: of F(z) where z < 0, of F(z) - 1 elsewhere; sum[1]: of w; returns how many z >= 0. */          \
    int64_t (*tails)(int64_t n, const REAL *x, const name##_place *at, double sum[2]);                        \
    void (*values)(int64_t n, const REAL *x, const name##_place *at, REAL *p);                                \
    /* Least |z|, not below 0. */                                                                             \
    REAL (*nearest)(int64_t n, const REAL *x, const name##_place *at);                                        \
    /* sum[0]: of w; sum[1]: of w (t - z slope). */                                                           \
    void (*weigh)(int64_t n, const REAL *x, const REAL *t, const name##_place *at,                            \
                  const name##_tangent *by, double sum[2]);                                                   \
    /* The tangents themselves; returns the sum of each times z. */                                           \
    double (*apply)(int64_t n, const REAL *x, const REAL *t, const name##_place *at,                          \
                    const name##_tangent *by, REAL *out);                                                     \
  } name;
RL_SOFT_KERNEL_TABLE(float, int32_t, rl_soft_kernels_s)
RL_SOFT_KERNEL_TABLE(double, int64_t, rl_soft_kernels_d)

typedef struct {
  rl_soft_kernels_s s;
  rl_soft_kernels_d d;
} rl_soft_kernels;

#endif
