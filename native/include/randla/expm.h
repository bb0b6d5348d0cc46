/* Matrix exponentials.  Included by randla.h. */
#ifndef RANDLA_EXPM_H
#define RANDLA_EXPM_H

#ifdef __cplusplus
extern "C" {
#endif

/* What was done for one matrix. */
typedef struct {
  int32_t order;    /* of the Taylor scheme: 0 (closed form), 1, 2, 4, 8, 15 or 21 */
  int32_t scaling;  /* s: the scheme saw A / 2^s, and the result was squared s times */
  int32_t products; /* matrix products */
  int32_t reserved; /* 0 */
  double
      error_bound; /* exp(A + dA) = result but for rounding, ||dA|| <= error_bound max(1, ||A||) */
} rl_expm_info;

enum rl_expm_assume {
  RL_EXPM_GENERAL = 0,
  RL_EXPM_HERMITIAN = 1,  /* the result is exactly Hermitian */
  RL_EXPM_SKEW = 2,       /* skew-Hermitian; the result is unitary to a few roundings */
  RL_EXPM_TRIANGULAR = 3, /* upper or lower; the zeros stay */
  RL_EXPM_METZLER = 4 /* off-diagonal entries >= 0 (real types only): the result is >= 0, entrywise
                             accurate, and rows sum to 1 where those of A sum to 0 */
};

/* E = exp(A) for `batch` matrices n x n; consecutive matrices lie stride_a, stride_e elements apart.
 * tol: bound on the relative backward error of truncation, 0 < tol < 1; smaller than the unit
 * roundoff (0 included) means the unit roundoff.  assume: enum rl_expm_assume; a broken promise is
 * RL_ERR_ASSUME, and *failed (unless NULL) the index of the matrix.  info: one per matrix, or NULL.
 * A and E must not overlap.  A matrix with a NaN gives NaN, and leaves the others alone: the bits of a
 * result depend on nothing but the matrix itself, the ISA level and, for large n, the BLAS.
 * Work: 2 n^3 flops for each of info->products.  Memory: 7 n^2 elements for large n, plus n^2 for
 * each of A and E that is not packed; for small n, 8 n^2 per matrix in flight. */
RL_API int rl_sexpm(int64_t batch, int64_t n, const float *a, int64_t lda, int64_t stride_a,
                    double tol, int assume, float *e, int64_t lde, int64_t stride_e,
                    rl_expm_info *info, int64_t *failed);
RL_API int rl_dexpm(int64_t batch, int64_t n, const double *a, int64_t lda, int64_t stride_a,
                    double tol, int assume, double *e, int64_t lde, int64_t stride_e,
                    rl_expm_info *info, int64_t *failed);
RL_API int rl_cexpm(int64_t batch, int64_t n, const rl_complex_float *a, int64_t lda,
                    int64_t stride_a, double tol, int assume, rl_complex_float *e, int64_t lde,
                    int64_t stride_e, rl_expm_info *info, int64_t *failed);
RL_API int rl_zexpm(int64_t batch, int64_t n, const rl_complex_double *a, int64_t lda,
                    int64_t stride_a, double tol, int assume, rl_complex_double *e, int64_t lde,
                    int64_t stride_e, rl_expm_info *info, int64_t *failed);

/* L = the derivative of exp at A in the direction D: exp(A + h D) = exp(A) + h L + O(h^2); and E = exp(A),
 * unless E is NULL.  Order and scaling depend on A alone, not on the size of D;
 * they are those of rl_<p>expm, or stricter where norm(A) < 1.  E and L must not overlap A, D or each other.
 * Work: three times that of rl_<p>expm.  Memory: twice that of rl_<p>expm. */
RL_API int rl_sexpm_frechet(int64_t batch, int64_t n, const float *a, int64_t lda, int64_t stride_a,
                            const float *d, int64_t ldd, int64_t stride_d, double tol, float *e,
                            int64_t lde, int64_t stride_e, float *l, int64_t ldl, int64_t stride_l);
RL_API int rl_dexpm_frechet(int64_t batch, int64_t n, const double *a, int64_t lda,
                            int64_t stride_a, const double *d, int64_t ldd, int64_t stride_d,
                            double tol, double *e, int64_t lde, int64_t stride_e, double *l,
                            int64_t ldl, int64_t stride_l);
RL_API int rl_cexpm_frechet(int64_t batch, int64_t n, const rl_complex_float *a, int64_t lda,
                            int64_t stride_a, const rl_complex_float *d, int64_t ldd,
                            int64_t stride_d, double tol, rl_complex_float *e, int64_t lde,
                            int64_t stride_e, rl_complex_float *l, int64_t ldl, int64_t stride_l);
RL_API int rl_zexpm_frechet(int64_t batch, int64_t n, const rl_complex_double *a, int64_t lda,
                            int64_t stride_a, const rl_complex_double *d, int64_t ldd,
                            int64_t stride_d, double tol, rl_complex_double *e, int64_t lde,
                            int64_t stride_e, rl_complex_double *l, int64_t ldl, int64_t stride_l);

/* X = the gradient by A of a real function whose gradient by exp(A) is G: the derivative of exp at A^H in
 * the direction G.  Otherwise as rl_<p>expm_frechet. */
RL_API int rl_sexpm_vjp(int64_t batch, int64_t n, const float *a, int64_t lda, int64_t stride_a,
                        const float *g, int64_t ldg, int64_t stride_g, double tol, float *x,
                        int64_t ldx, int64_t stride_x);
RL_API int rl_dexpm_vjp(int64_t batch, int64_t n, const double *a, int64_t lda, int64_t stride_a,
                        const double *g, int64_t ldg, int64_t stride_g, double tol, double *x,
                        int64_t ldx, int64_t stride_x);
RL_API int rl_cexpm_vjp(int64_t batch, int64_t n, const rl_complex_float *a, int64_t lda,
                        int64_t stride_a, const rl_complex_float *g, int64_t ldg, int64_t stride_g,
                        double tol, rl_complex_float *x, int64_t ldx, int64_t stride_x);
RL_API int rl_zexpm_vjp(int64_t batch, int64_t n, const rl_complex_double *a, int64_t lda,
                        int64_t stride_a, const rl_complex_double *g, int64_t ldg, int64_t stride_g,
                        double tol, rl_complex_double *x, int64_t ldx, int64_t stride_x);

/* The choice of order and scaling alone, from norms of A and A^2 (the same norm of both; norm_a2
 * may be an upper bound).  Writes order, scaling, products and error_bound of each.  derivative: as for
 * rl_<p>expm_frechet. */
RL_API int rl_sexpm_select(int64_t count, const double *norm_a, const double *norm_a2, double tol,
                           int derivative, rl_expm_info *info);
RL_API int rl_dexpm_select(int64_t count, const double *norm_a, const double *norm_a2, double tol,
                           int derivative, rl_expm_info *info);

/* The rules themselves (randla/device/expm_rule.h, expm_action_rule.h), for kernels that choose on a device.
 * single: for float. */
struct rl_expm_rule;
struct rl_action_rule;
RL_API int rl_expm_get_rule(int single, double tol, int derivative, struct rl_expm_rule *rule);
RL_API int rl_action_get_rule(int single, double tol, int derivative, struct rl_action_rule *rule);

#ifdef __cplusplus
}
#endif
#endif
