/* Actions of matrix exponentials, exp(A) B.  Included by randla.h. */
#ifndef RANDLA_EXPM_MULTIPLY_H
#define RANDLA_EXPM_MULTIPLY_H

#ifdef __cplusplus
extern "C" {
#endif

/* What was done for one pair of matrices. */
typedef struct {
  int32_t order;      /* terms of the Taylor polynomial in each step; 0: by exp(A) itself */
  int32_t steps;      /* steps, or squarings of exp(A) */
  int32_t products;   /* products of A with the columns of B, or with itself */
  int32_t reserved;   /* 0 */
  double error_bound; /* exp(A + dA) B = Y but for rounding, ||dA|| <= error_bound max(1, ||A||) */
} rl_expm_multiply_info;

/* Y = exp(A) B (side 'L'; A n x n, B and Y n x p) or Y = B exp(A) (side 'R'; B and Y p x n) for `batch`
 * pairs, as rl_<p>expm for the rest of the arguments.  exp(A) is formed only where that is cheaper: many
 * columns, or a large norm.  Side 'R' is the fast one for small n: column-major B exp(A) is row-major
 * exp(A^T) B^T.  Work: 2 n^2 p flops for each of info->products. */
RL_API int rl_sexpm_multiply(int64_t batch, char side, int64_t n, int64_t p, const float *a,
                             int64_t lda, int64_t stride_a, const float *b, int64_t ldb,
                             int64_t stride_b, double tol, float *y, int64_t ldy, int64_t stride_y,
                             rl_expm_multiply_info *info);
RL_API int rl_dexpm_multiply(int64_t batch, char side, int64_t n, int64_t p, const double *a,
                             int64_t lda, int64_t stride_a, const double *b, int64_t ldb,
                             int64_t stride_b, double tol, double *y, int64_t ldy, int64_t stride_y,
                             rl_expm_multiply_info *info);
RL_API int rl_cexpm_multiply(int64_t batch, char side, int64_t n, int64_t p,
                             const rl_complex_float *a, int64_t lda, int64_t stride_a,
                             const rl_complex_float *b, int64_t ldb, int64_t stride_b, double tol,
                             rl_complex_float *y, int64_t ldy, int64_t stride_y,
                             rl_expm_multiply_info *info);
RL_API int rl_zexpm_multiply(int64_t batch, char side, int64_t n, int64_t p,
                             const rl_complex_double *a, int64_t lda, int64_t stride_a,
                             const rl_complex_double *b, int64_t ldb, int64_t stride_b, double tol,
                             rl_complex_double *y, int64_t ldy, int64_t stride_y,
                             rl_expm_multiply_info *info);

/* XA, XB = the gradients by A and B of a real function whose gradient by Y is G: packed like A and B. */
RL_API int rl_sexpm_multiply_vjp(int64_t batch, char side, int64_t n, int64_t p, const float *a,
                                 int64_t lda, int64_t stride_a, const float *b, int64_t ldb,
                                 int64_t stride_b, const float *g, int64_t ldg, int64_t stride_g,
                                 double tol, float *xa, int64_t ldxa, int64_t stride_xa, float *xb,
                                 int64_t ldxb, int64_t stride_xb);
RL_API int rl_dexpm_multiply_vjp(int64_t batch, char side, int64_t n, int64_t p, const double *a,
                                 int64_t lda, int64_t stride_a, const double *b, int64_t ldb,
                                 int64_t stride_b, const double *g, int64_t ldg, int64_t stride_g,
                                 double tol, double *xa, int64_t ldxa, int64_t stride_xa,
                                 double *xb, int64_t ldxb, int64_t stride_xb);
RL_API int rl_cexpm_multiply_vjp(int64_t batch, char side, int64_t n, int64_t p,
                                 const rl_complex_float *a, int64_t lda, int64_t stride_a,
                                 const rl_complex_float *b, int64_t ldb, int64_t stride_b,
                                 const rl_complex_float *g, int64_t ldg, int64_t stride_g,
                                 double tol, rl_complex_float *xa, int64_t ldxa, int64_t stride_xa,
                                 rl_complex_float *xb, int64_t ldxb, int64_t stride_xb);
RL_API int rl_zexpm_multiply_vjp(int64_t batch, char side, int64_t n, int64_t p,
                                 const rl_complex_double *a, int64_t lda, int64_t stride_a,
                                 const rl_complex_double *b, int64_t ldb, int64_t stride_b,
                                 const rl_complex_double *g, int64_t ldg, int64_t stride_g,
                                 double tol, rl_complex_double *xa, int64_t ldxa, int64_t stride_xa,
                                 rl_complex_double *xb, int64_t ldxb, int64_t stride_xb);

#ifdef __cplusplus
}
#endif
#endif
