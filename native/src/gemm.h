/* C = alpha op(A) op(B) + beta C, column-major, real alpha and beta; sizes checked before they become BLAS
 * integers.  Matrices of complex numbers are passed as reals. */
#ifndef RL_GEMM_H
#define RL_GEMM_H

#include "randla.h"

#define RL_GEMM(p, REAL)                                                                          \
  /* op(A) = A, op(B) = B */                                                                      \
  int rl_##p##gemm(int64_t m, int64_t n, int64_t k, REAL alpha, const REAL *a, int64_t lda,       \
                   const REAL *b, int64_t ldb, REAL beta, REAL *c, int64_t ldc);                  \
  /* op by 'N', 'T' or 'C' for each */                                                            \
  int rl_##p##gemm_op(char op_a, char op_b, int64_t m, int64_t n, int64_t k, REAL alpha,          \
                      const REAL *a, int64_t lda, const REAL *b, int64_t ldb, REAL beta, REAL *c, \
                      int64_t ldc);
RL_GEMM(s, float)
RL_GEMM(d, double)
RL_GEMM(c, float)
RL_GEMM(z, double)
#undef RL_GEMM

#endif
