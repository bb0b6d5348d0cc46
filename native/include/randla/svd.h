/* Randomized singular value decompositions, and what they are made of.  Included by randla.h. */
#ifndef RANDLA_SVD_H
#define RANDLA_SVD_H

#ifdef __cplusplus
extern "C" {
#endif

#define RL_SVD_PROBES 6

/* l = min(k + oversamples, m, n) columns, n_iter times A A^H.
 *
 * B = A if m >= n, else A^H.  The Gaussian block has a row for each column of B: its column j is sub-stream j of
 * RL_KIND_SVD_GAUSSIAN, probe j of RL_KIND_SVD_PROBE (complex: pairs of a sub-stream over the root of 2). */
typedef struct {
  int64_t k, oversamples, n_iter;
  rl_stream stream;
} rl_svd_options;

typedef struct {
  double errors
      [RL_SVD_PROBES]; /* ||(A - U S V^H) x||^2 (of A^H if m < n) for independent Gaussian x: their mean
                                   estimates the square of the Frobenius norm, without bias */
  int64_t fallbacks; /* normalisations that needed Householder's */
  int64_t passes;    /* products with blocks */
  int64_t converged; /* whether the last half pass changed no value by more than 1 % */
} rl_svd_info;

/* A matrix that is known by its products with row-major panels of l columns, which do not overlap: apply: Y (m x l) =
 * A X; adjoint: Y (n x l) = A^H X.  Both give a status.  Never called by two threads at once. */
typedef struct {
  void *context;
  int (*apply)(void *context, int64_t l, const void *x, int64_t ldx, void *y, int64_t ldy);
  int (*adjoint)(void *context, int64_t l, const void *x, int64_t ldx, void *y, int64_t ldy);
} rl_svd_operator;

/* Subspace iteration (Halko, Martinsson, Tropp, arXiv:0909.4061, algorithms 4.4 and 5.1), with the normaliser of
 * rl_<p>svd_normalise: A ~ U diag(s) Vh, U (m x k) and Vh (k x n) row-major, s descending.  In each column of U the
 * entry of largest modulus (the first of them) is real and positive.
 *
 * 2 n_iter + 2 products, 2 m n l flops each, which bound the time.  Values are Ritz values: none beyond the true one,
 * absolutely accurate to roundings of ||A||.  What would leave the range of the type is scaled by a power of two.
 *
 * _rand: A m x n, row-major ('C') or column-major ('F').  work, of rl_<p>svd_rand_lwork numbers (at most 3 (m + n)
 * (k + oversamples + RL_SVD_PROBES), and some l^2; -1: sizes that do not fit), may be NULL: it is allocated.  What
 * products need to pack the panel, below 2 MB or so for each thread, is allocated by them.
 * _batch: `batch` matrices, the distances between which come after each leading dimension; matrix i has the stream of
 * offset + i 2^40.  Small ones are shared by threads.  *failed, if not NULL: the number of the one that failed, or -1.
 * _csr: rl_<p>spmm_panel says how A is stored.  _operator: any A.
 *
 * RL_ERR_SIZE: m or n < 1, k outside [1, min(m, n)], an ld that is too small.  RL_ERR_NOT_FINITE: A, or a product,
 * has a NaN or an infinity.  RL_ERR_OVERFLOW: a value is beyond the range of the type.  The same bits for any number
 * of threads, where those of the BLAS can be held (rl_set_blas_threads). */
#define RL_SVD(p, T, REAL)                                                                           \
  RL_API int64_t rl_##p##svd_rand_lwork(const rl_svd_options *options, int64_t m, int64_t n);        \
  RL_API int rl_##p##svd_rand(const rl_svd_options *options, char order, int64_t m, int64_t n,       \
                              const T *a, int64_t lda, T *u, int64_t ldu, REAL *s, T *vh,            \
                              int64_t ldvh, rl_svd_info *info, T *work, int64_t lwork);              \
  RL_API int rl_##p##svd_rand_batch(const rl_svd_options *options, int64_t batch, char order,        \
                                    int64_t m, int64_t n, const T *a, int64_t lda,                   \
                                    int64_t stride_a, T *u, int64_t ldu, int64_t stride_u,           \
                                    REAL *s, int64_t stride_s, T *vh, int64_t ldvh,                  \
                                    int64_t stride_vh, rl_svd_info *info, int64_t *failed);          \
  RL_API int rl_##p##svd_rand_csr(const rl_svd_options *options, int csc, int64_t m, int64_t n,      \
                                  const void *pointers, const void *indices, int index_bytes,        \
                                  const T *a, T *u, int64_t ldu, REAL *s, T *vh, int64_t ldvh,       \
                                  rl_svd_info *info);                                                \
  RL_API int rl_##p##svd_rand_operator(const rl_svd_options *options, int64_t m, int64_t n,          \
                                       const rl_svd_operator *a, T *u, int64_t ldu, REAL *s,         \
                                       T *vh, int64_t ldvh, rl_svd_info *info);                      \
  /* op 'N': C (m x l) = A Y; op 'C': C (n x l) = A^H Y; A as above, panels row-major.  By at most \
   * `threads` threads (0: as many as are worth it), the same bits for any number. */ \
  RL_API int rl_##p##svd_product(char order, char op, int64_t m, int64_t n, int64_t l, const T *a,   \
                                 int64_t lda, const T *y, int64_t ldy, T *c, int64_t ldc,            \
                                 int threads);                                                       \
  /* Y <- Q, Q R = Y, for a row-major panel Y (m x l, m >= l); r: l x l, row-major, or NULL.  One  \
   * pass of Cholesky's factor of Y^H Y, if a certificate holds, which says that Q is then within  \
   * 1e-3 of orthonormal; with `twice` a second one, after which it is to roundings.  Otherwise    \
   * Householder's: *fell_back = 1. */ \
  RL_API int rl_##p##svd_normalise(int twice, int64_t m, int64_t l, T *y, int64_t ldy, T *r,         \
                                   int *fell_back);
RL_SVD(s, float, float)
RL_SVD(d, double, double)
RL_SVD(c, rl_complex_float, float)
RL_SVD(z, rl_complex_double, double)
#undef RL_SVD

/* Sums of the squares of scale * a, in double precision, of `batch` arrays that lie `stride` apart; complex numbers
 * are two reals.  And single = factor * a.  The same bits for any number of threads. */
RL_API int rl_ssvd_squares(int64_t batch, int64_t length, const float *a, int64_t stride,
                           double scale, double *squares);
RL_API int rl_dsvd_squares(int64_t batch, int64_t length, const double *a, int64_t stride,
                           double scale, double *squares);
RL_API int rl_dsvd_single(int64_t length, const double *a, double factor, float *single);

#ifdef __cplusplus
}
#endif
#endif
