/* QR factorisations by sketching and by Cholesky factors.  Included by randla.h. */
#ifndef RANDLA_QR_H
#define RANDLA_QR_H

#ifdef __cplusplus
extern "C" {
#endif

enum rl_qr_method {
  RL_QR_CQRRPT = 1,      /* pivots from a sketch, which preconditions CholeskyQR; m >= n */
  RL_QR_CQRRT = 2,       /* the same without pivots */
  RL_QR_BQRRP = 3,       /* pivots in blocks, from a sketch that is brought up to date; any m, n */
  RL_QR_HOUSEHOLDER = 4, /* LAPACK's, with pivots */
  RL_QR_PLAIN = 5,       /* LAPACK's, without */
  RL_QR_CHOLQR2 = 6,     /* CholeskyQR twice; m >= n */
  RL_QR_CHOLQR3 = 7      /* shifted CholeskyQR, then twice; m >= n */
};

/* How to factorise. */
typedef struct {
  int32_t method;   /* of rl_qr_method: the first to be tried */
  int32_t complete; /* Q gets all its columns, whatever the rank */
  int64_t k;        /* columns wanted, 1 .. min(m, n), which needs pivots; 0: all */
  double rtol;      /* |R_ii| <= rtol max |R_ii| does not count; negative: min(m, n) eps */
  rl_stream stream;
} rl_qr_options;

/* What was done.  eps: 2^-52, 2^-23. */
typedef struct {
  int32_t method;   /* the path that gave the result */
  int32_t attempts; /* how many were tried */
  int64_t rank;     /* |R_ii| that count */
  int64_t columns;  /* columns of Q, and rows of R, that are set */
  double cond;      /* ||R_c||_1 ||R_c^-1||_1 of the last Cholesky factor; NaN without */
  double orth;      /* estimates: ||Q^H Q - I||_F / sqrt(columns); NaN after LAPACK */
  double residual;  /* ||A P - Q R||_F / ||A||_F, of the columns that are set; NaN after LAPACK */
} rl_qr_info;

/* A[:, perm] = Q R for an m x n matrix A, column-major ('F') or row-major ('C').
 *
 * Q (m x min(m, n), column-major) is orthonormal to some 50 eps, R (min(m, n) x n) upper triangular with a real
 * diagonal >= 0, perm a permutation of 0 .. n - 1 (NULL for methods without pivots).  Where estimates do not certify
 * a fast path, slower ones are tried, LAPACK's last: what is returned is right, and info tells how it came about.
 * Columns of Q and rows of R from info->columns on are undefined; with k = 0 and `complete` there are none.
 *
 * RL_ERR_NOT_FINITE: A has a NaN or an infinity.  RL_ERR_OVERFLOW: R has, for a finite A.  work, of at least
 * rl_<p>qr_lwork numbers (-1: sizes that do not fit), may be NULL: it is allocated.  The same bits for any number of
 * threads, unless LAPACK factorises A itself.
 *
 * _batch: the same for `batch` matrices, the distances between which come after each leading dimension; *failed, if
 * not NULL: the number of the matrix that gave an error, or -1. */
#define RL_QR(p, T)                                                                              \
  RL_API int rl_##p##qr(const rl_qr_options *options, char order, int64_t m, int64_t n,          \
                        const T *a, int64_t lda, T *q, int64_t ldq, T *r, int64_t ldr,           \
                        int64_t *perm, rl_qr_info *info, T *work, int64_t lwork);                \
  RL_API int64_t rl_##p##qr_lwork(const rl_qr_options *options, int64_t m, int64_t n);           \
  RL_API int rl_##p##qr_batch(                                                                   \
      const rl_qr_options *options, int64_t batch, char order, int64_t m, int64_t n, const T *a, \
      int64_t lda, int64_t stride_a, T *q, int64_t ldq, int64_t stride_q, T *r, int64_t ldr,     \
      int64_t stride_r, int64_t *perm, int64_t stride_perm, rl_qr_info *info, int64_t *failed);
RL_QR(s, float)
RL_QR(d, double)
RL_QR(c, rl_complex_float)
RL_QR(z, rl_complex_double)
#undef RL_QR

/* Method RL_QR_CQRRPT, all columns, the default rtol. */
#define RL_QR_CQRRPT_OF(p, T)                                                             \
  RL_API int rl_##p##qr_cqrrpt(char order, int64_t m, int64_t n, const T *a, int64_t lda, \
                               rl_stream stream, T *q, int64_t ldq, T *r, int64_t ldr,    \
                               int64_t *perm, rl_qr_info *info, T *work, int64_t lwork);  \
  RL_API int64_t rl_##p##qr_cqrrpt_lwork(int64_t m, int64_t n);
RL_QR_CQRRPT_OF(s, float)
RL_QR_CQRRPT_OF(d, double)
RL_QR_CQRRPT_OF(c, rl_complex_float)
RL_QR_CQRRPT_OF(z, rl_complex_double)
#undef RL_QR_CQRRPT_OF

#ifdef __cplusplus
}
#endif
#endif
