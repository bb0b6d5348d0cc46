/* C = alpha op(A) op(B) + beta C, column-major, real alpha and beta; sizes checked before they become BLAS
 * integers.  Matrices of complex numbers are passed as reals.  rl_<p>gemm: no transposition;
 * rl_<p>gemm_op: ta, tb are 'N' or 'T'. */
#ifndef RL_GEMM_H
#define RL_GEMM_H

#include "randla.h"

int rl_sgemm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
             const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
int rl_dgemm(int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda,
             const double *b, int64_t ldb, double beta, double *c, int64_t ldc);
int rl_cgemm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
             const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
int rl_zgemm(int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda,
             const double *b, int64_t ldb, double beta, double *c, int64_t ldc);
int rl_sgemm_op(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
int rl_dgemm_op(char ta, char tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc);
int rl_cgemm_op(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
int rl_zgemm_op(char ta, char tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc);

#endif
