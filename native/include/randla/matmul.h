/* Products of large matrices by bilinear schemes: Strassen's, Winograd's form of it, and others.  Included by
 * randla.h. */
#ifndef RANDLA_MATMUL_H
#define RANDLA_MATMUL_H

#ifdef __cplusplus
extern "C" {
#endif

/* A scheme <m, k, n : rank> multiplies matrices cut into m x k and k x n blocks by `rank` products of
 * blocks.  Row r of u (m k entries over blocks of A, row-major), v (k n, of B) and w (m n, of C):
 * C_ij = sum_r w_r[ij] / d_w (sum u_r A / d_u) (sum v_r B / d_v). */
typedef struct {
  const char *name, *field, *origin; /* origin: who, year, where */
  int m, k, n, rank;
  int additions; /* of blocks, as executed */
  const int8_t *u, *v, *w;
  int d_u, d_v, d_w;
} rl_matmul_scheme;

/* Scheme number i = 0, 1, ...; RL_ERR_OPTION past the end. */
RL_API int rl_matmul_get_scheme(int i, rl_matmul_scheme *scheme);

/* Instead of a number. */
enum rl_matmul_algorithm {
  RL_MATMUL_AUTO =
      -1, /* Winograd's form where it is known to win, and all entries are finite, else BLAS */
  RL_MATMUL_CLASSICAL = -2, /* BLAS */
  RL_MATMUL_3M = -3         /* complex by three real products; complex types only */
};

/* What was done. */
typedef struct {
  int32_t scheme; /* its number, or RL_MATMUL_CLASSICAL or RL_MATMUL_3M */
  int32_t levels;
  int64_t workspace; /* bytes */
} rl_matmul_info;

/* From which least side on RL_MATMUL_AUTO uses one and two levels: c[0], c[1].  type: 's', 'd', 'c' or 'z';
 * threads: 1, or more.  RL_ERR_OPTION for another type.  Setting is not to be done while another thread computes.
 * c = NULL sets what the library came with. */
RL_API int rl_matmul_get_crossover(char type, int threads, int64_t c[2]);
RL_API int rl_matmul_set_crossover(char type, int threads, const int64_t c[2]);

/* C = alpha op(A) op(B) + beta C: op(A) is m x k, op(B) is k x n, C is m x n, alpha and beta are real.
 * transa, transb: 'N', or 'T': the transpose is stored.  transc too: 'T' means that C^T is stored, n x m with
 * leading dimension ldc: what row-major matrices are.  C overlaps neither A nor B, and is not read if beta is 0.
 *
 * scheme: a number, or enum rl_matmul_algorithm.  levels: how often the scheme is applied to its own products, 0
 * for BLAS; less where a side is smaller than the scheme's.  RL_MATMUL_AUTO with a negative number chooses 0 to 2.
 * What does not divide evenly is peeled off and goes to BLAS.
 *
 * Errors: |result - AB| <= f u max|A| max|B| with f = (k / K^L + Q) E^L (Ballard, Benson, Druinsky, Lipshitz,
 * Schwartz 2016, doi:10.1137/15M1032168), a bound on the whole and not on entries: small ones beside large ones lose
 * accuracy.  An inf or NaN anywhere makes NaN of whole blocks (except by RL_MATMUL_AUTO, as BLAS).  Sums of blocks
 * may overflow where entries exceed about the 4^-levels-th of the largest number.
 *
 * work, lwork: elements of workspace; NULL allocates.  With less than rl_<p>matmul_lwork says, but not less than its
 * `least`, a slower schedule runs, where the scheme has one.  Threads: those of this library, which share each product
 * and each sum; results do not depend on their number, as far as those of the BLAS do not depend on the sizes of
 * parts.  info: or NULL. */
RL_API int rl_smatmul(char transa, char transb, char transc, int64_t m, int64_t n, int64_t k,
                      float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                      float beta, float *c, int64_t ldc, int scheme, int levels, float *work,
                      int64_t lwork, rl_matmul_info *info);
RL_API int rl_dmatmul(char transa, char transb, char transc, int64_t m, int64_t n, int64_t k,
                      double alpha, const double *a, int64_t lda, const double *b, int64_t ldb,
                      double beta, double *c, int64_t ldc, int scheme, int levels, double *work,
                      int64_t lwork, rl_matmul_info *info);
RL_API int rl_cmatmul(char transa, char transb, char transc, int64_t m, int64_t n, int64_t k,
                      float alpha, const rl_complex_float *a, int64_t lda,
                      const rl_complex_float *b, int64_t ldb, float beta, rl_complex_float *c,
                      int64_t ldc, int scheme, int levels, rl_complex_float *work, int64_t lwork,
                      rl_matmul_info *info);
RL_API int rl_zmatmul(char transa, char transb, char transc, int64_t m, int64_t n, int64_t k,
                      double alpha, const rl_complex_double *a, int64_t lda,
                      const rl_complex_double *b, int64_t ldb, double beta, rl_complex_double *c,
                      int64_t ldc, int scheme, int levels, rl_complex_double *work, int64_t lwork,
                      rl_matmul_info *info);

/* Elements of workspace for the fast schedule (lwork), and for the one that needs least.  Winograd's form, one level:
 * m k + k n and (m max(k, n) + k n) / 4; each level below adds a quarter of the one above, and m' n' for the
 * products that it accumulates.  Either pointer may be NULL. */
RL_API int rl_smatmul_lwork(int64_t m, int64_t n, int64_t k, float beta, int scheme, int levels,
                            int64_t *lwork, int64_t *least);
RL_API int rl_dmatmul_lwork(int64_t m, int64_t n, int64_t k, double beta, int scheme, int levels,
                            int64_t *lwork, int64_t *least);
RL_API int rl_cmatmul_lwork(int64_t m, int64_t n, int64_t k, float beta, int scheme, int levels,
                            int64_t *lwork, int64_t *least);
RL_API int rl_zmatmul_lwork(int64_t m, int64_t n, int64_t k, double beta, int scheme, int levels,
                            int64_t *lwork, int64_t *least);

#ifdef __cplusplus
}
#endif
#endif
