/* Checked calls of BLAS and LAPACK beyond gemm.h.  Column-major; sizes are checked before they become BLAS
 * integers; matrices and vectors of complex numbers are passed as reals, so that a pointer counts REALs.
 *
 * A routine that needs work gets `work` of `lwork` REALs, as many as its _lwork function says (-1: sizes that do
 * not fit, or no LAPACK).  *failed, where there is one: 0, or the order of the leading minor at which the
 * factorisation broke down, which is no error here.  RL_ERR_LAPACK: the routine complained of an argument. */
#ifndef RL_LAPACK_H
#define RL_LAPACK_H

#include "randla.h"

#define RL_LAPACK(p, REAL)                                                                         \
  /* y = alpha op(A) x + beta y, A m x n */                                                        \
  int rl_##p##gemv(char op, int64_t m, int64_t n, REAL alpha, const REAL *a, int64_t lda,          \
                   const REAL *x, REAL beta, REAL *y);                                             \
  /* C = alpha A^H A + beta C, upper triangle alone; A m x n */                                    \
  int rl_##p##gram(int64_t m, int64_t n, REAL alpha, const REAL *a, int64_t lda, REAL beta,        \
                   REAL *c, int64_t ldc);                                                          \
  /* B = op(A) B (side 'L') or B op(A) ('R'), A triangular; B m x n */                             \
  int rl_##p##trmm(char side, char uplo, char op, char diag, int64_t m, int64_t n, const REAL *a,  \
                   int64_t lda, REAL *b, int64_t ldb);                                             \
  /* the same with the inverse of A */                                                             \
  int rl_##p##trsm(char side, char uplo, char op, char diag, int64_t m, int64_t n, const REAL *a,  \
                   int64_t lda, REAL *b, int64_t ldb);                                             \
  /* upper R with R^H R = A (upper triangle), in its place */                                      \
  int rl_##p##potrf(int64_t n, REAL *a, int64_t lda, int64_t *failed);                             \
  /* inverse of an upper triangular matrix, in its place */                                        \
  int rl_##p##trtri(int64_t n, REAL *a, int64_t lda, int64_t *failed);                             \
  /* P A = L U; row i was exchanged with row pivots[i] >= i, from 0, for i < min(m, n) in order */ \
  int rl_##p##getrf(int64_t m, int64_t n, REAL *a, int64_t lda, int64_t *pivots);                  \
  /* Householder QR; geqp3: A[:, perm] = Q R, all columns free, from 0 */                          \
  int64_t rl_##p##geqrf_lwork(int64_t m, int64_t n);                                               \
  int rl_##p##geqrf(int64_t m, int64_t n, REAL *a, int64_t lda, REAL *tau, REAL *work,             \
                    int64_t lwork);                                                                \
  int64_t rl_##p##geqp3_lwork(int64_t m, int64_t n);                                               \
  int rl_##p##geqp3(int64_t m, int64_t n, REAL *a, int64_t lda, int64_t *perm, REAL *tau,          \
                    REAL *work, int64_t lwork);                                                    \
  /* the first n columns of Q, in the place of its k reflectors */                                 \
  int64_t rl_##p##orgqr_lwork(int64_t m, int64_t n, int64_t k);                                    \
  int rl_##p##orgqr(int64_t m, int64_t n, int64_t k, REAL *a, int64_t lda, const REAL *tau,        \
                    REAL *work, int64_t lwork);                                                    \
  /* C = op(Q) C (side 'L') or C op(Q) ('R'), op 'N' or 'C'; C m x n */                            \
  int64_t rl_##p##ormqr_lwork(char side, char op, int64_t m, int64_t n, int64_t k);                \
  int rl_##p##ormqr(char side, char op, int64_t m, int64_t n, int64_t k, const REAL *a,            \
                    int64_t lda, const REAL *tau, REAL *c, int64_t ldc, REAL *work,                \
                    int64_t lwork);
RL_LAPACK(s, float)
RL_LAPACK(d, double)
RL_LAPACK(c, float)
RL_LAPACK(z, double)
#undef RL_LAPACK

/* A = U diag(s) V^H for a square matrix, in double precision; A is destroyed, s descends, vt: V^H.  Sizes as above,
 * counting doubles. */
#define RL_GESDD(p)                                                                       \
  int64_t rl_##p##gesdd_lwork(int64_t n);                                                 \
  int rl_##p##gesdd(int64_t n, double *a, int64_t lda, double *s, double *u, int64_t ldu, \
                    double *vt, int64_t ldvt, double *work, int64_t lwork, int64_t *failed);
RL_GESDD(d)
RL_GESDD(z)
#undef RL_GESDD

#endif
